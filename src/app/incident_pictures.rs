//! For each camera of an incident a picture of before, of the frame that made it a part, and of
//! some seconds after: chosen by the core's task, encoded and written by a thread of its own.
//!
//! | | |
//! | --- | --- |
//! | bound | two copies a camera ([`Thumbnail`]); one more is on its way through the detector |
//! | bound | `JOBS_MAX` pictures wait for the thread, `DUE_MAX` cameras for their time |
//! | overflow | a picture that finds no place is left out, and counted |
//! | the shipped model | 221 KB a copy: 128 cameras take 57 MB, 300 take 133 MB |
//!
//! No alert waits for any of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::album::{Album, Moment, PictureKey};
use crate::detection::{Detection, people};
use crate::frame::redaction::PeopleNote;
use crate::frame::snapshot::Error;
use crate::frame::{Picture, Thumbnail};
use crate::geometry::BoundingBox;
use crate::incident::{Incident, IncidentId};
use crate::metrics::Metrics;
use crate::outbox::{DiskSpace, Outbox};
use crate::time::{Mono, Stamp, Wall};
use crate::ward::Id;

/// Copies that are kept a camera: the older one is some five to ten seconds old.
const COPIES: usize = 2;
/// A younger picture shows what the alert shows...
const BEFORE_MIN: Duration = Duration::from_secs(2);
/// ... and what is older, another hour.
const BEFORE_MAX: Duration = Duration::from_secs(60);
/// A picture of after is taken of the first frame as long after...
const AFTER: Duration = Duration::from_secs(6);
/// ... unless none comes for as long.
const AFTER_MAX: Duration = Duration::from_secs(60);
/// Cameras that wait for their picture of after.
const DUE_MAX: usize = 256;
/// Pictures that wait to be written; one of 1080p takes 3 MB.
const JOBS_MAX: usize = 12;
/// Incidents' cameras that are remembered as seen to. Beyond, the thread finds what is there.
const SEEN_TO_MAX: usize = 4_096;
/// As wide as a phone's screen.
const WIDTH_MAX: u32 = 640;

/// A job of the thread.
enum Job {
    Keep {
        incident: IncidentId,
        shot: PictureKey,
        people: Vec<BoundingBox>,
        of: PictureSource,
    },
    /// Delete what was taken before `oldest`, and what is beyond `bytes_max`.
    Tidy {
        oldest: Wall,
        bytes_max: u64,
    },
}

/// The source of a picture.
enum PictureSource {
    Thumbnail(Thumbnail),
    /// With a rectangle, where there is something to show.
    Whole(Picture, Option<BoundingBox>),
}

/// A frame that was analysed.
pub(super) struct IncidentView<'a> {
    pub(super) camera: &'a Id,
    pub(super) at: Stamp,
    pub(super) picture: &'a Picture,
    pub(super) detections: &'a [Detection],
}

/// A copy of a frame, and everybody the detector found in it.
struct Copy {
    thumbnail: Thumbnail,
    people: Vec<BoundingBox>,
    at: Stamp,
}

/// A camera whose picture of after is to come, and the time of the frame that made it a part.
struct PendingPicture {
    incident: IncidentId,
    camera: Id,
    at: Mono,
}

/// The core task's memory of incidents' pictures.
pub(super) struct IncidentPictures {
    jobs: SyncSender<Job>,
    metrics: Metrics,
    /// The older one first.
    copies: BTreeMap<Id, Vec<Copy>>,
    /// The time before which a frame may lack a mask that is configured now.
    from: Mono,
    due: Vec<PendingPicture>,
    seen_to: BTreeSet<(IncidentId, Id)>,
}

impl IncidentPictures {
    /// Starts the thread `album`. It ends when this is dropped and all is written.
    pub(super) fn start(
        album: Album,
        outbox: Outbox,
        metrics: &Metrics,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (jobs, receiver) = sync_channel(JOBS_MAX);
        let counted = metrics.clone();
        let thread = std::thread::Builder::new()
            .name("album".to_owned())
            .spawn(move || bind(&album, &outbox, &counted, &receiver))?;
        let pictures = Self {
            jobs,
            metrics: metrics.clone(),
            copies: BTreeMap::new(),
            from: Mono(0),
            due: Vec::new(),
            seen_to: BTreeSet::new(),
        };
        Ok((pictures, thread))
    }

    /// Forgets all copies: masks may be others from now on, cameras gone.
    pub(super) fn clear(&mut self, now: Stamp) {
        self.copies.clear();
        self.from = now.mono;
    }

    /// A frame brought these revisions forth.
    pub(super) fn note_revisions(&mut self, revisions: &[Incident], seen: &IncidentView<'_>) {
        for incident in revisions.iter().filter(|incident| !incident.state.is_closed()) {
            let mut sightings = incident.cameras.iter();
            let Some(sighting) = sightings.find(|one| one.camera == *seen.camera) else { continue };
            if !self.seen_to.insert((incident.id.clone(), seen.camera.clone())) {
                continue;
            }
            if self.seen_to.len() > SEEN_TO_MAX {
                // Ids begin with the time when it was opened.
                self.seen_to.pop_first();
            }
            self.keep_before(&incident.id, seen);
            let whole = PictureSource::Whole(seen.picture.clone(), sighting.bbox);
            self.keep(&incident.id, seen, Moment::At, whole);
            self.wait(PendingPicture {
                incident: incident.id.clone(),
                camera: seen.camera.clone(),
                at: seen.at.mono,
            });
        }
    }

    /// Any frame, after what it brought forth was told: it may be somebody's picture of after, and
    /// its copy may be of before something.
    pub(super) fn see(&mut self, seen: &IncidentView<'_>, thumbnail: Option<Thumbnail>) {
        let at = seen.at.mono;
        let is_due = |due: &PendingPicture| due.camera == *seen.camera && at.since(due.at) >= AFTER;
        let (now, later) = std::mem::take(&mut self.due).into_iter().partition(is_due);
        self.due = later;
        let now: Vec<PendingPicture> = now;
        for due in now.into_iter().filter(|due| at.since(due.at) <= AFTER_MAX) {
            self.keep(
                &due.incident,
                seen,
                Moment::After,
                PictureSource::Whole(seen.picture.clone(), None),
            );
        }
        if let Some(thumbnail) = thumbnail.filter(|_| at > self.from) {
            let copies = self.copies.entry(seen.camera.clone()).or_default();
            if copies.len() == COPIES {
                copies.remove(0);
            }
            copies.push(Copy { thumbnail, people: people(seen.detections), at: seen.at });
        }
    }

    /// Deletes what is older, and what is beyond `bytes_max`, by and by.
    pub(super) fn tidy(&self, oldest: Wall, bytes_max: u64) {
        // A thread that is busy tidies up a minute later.
        drop(self.jobs.try_send(Job::Tidy { oldest, bytes_max }));
    }

    fn keep_before(&self, incident: &IncidentId, seen: &IncidentView<'_>) {
        let fits =
            |copy: &&Copy| (BEFORE_MIN..=BEFORE_MAX).contains(&seen.at.mono.since(copy.at.mono));
        let copies = self.copies.get(seen.camera).map_or(&[][..], Vec::as_slice);
        let Some(copy) = copies.iter().find(fits) else { return };
        let (camera, at) = (seen.camera.clone(), copy.at.wall);
        self.send(Job::Keep {
            incident: incident.clone(),
            shot: PictureKey { camera, moment: Moment::Before, at },
            people: copy.people.clone(),
            of: PictureSource::Thumbnail(copy.thumbnail.clone()),
        });
    }

    fn keep(
        &self,
        incident: &IncidentId,
        seen: &IncidentView<'_>,
        moment: Moment,
        of: PictureSource,
    ) {
        self.send(Job::Keep {
            incident: incident.clone(),
            shot: PictureKey { camera: seen.camera.clone(), moment, at: seen.at.wall },
            people: people(seen.detections),
            of,
        });
    }

    fn wait(&mut self, due: PendingPicture) {
        if self.due.len() == DUE_MAX {
            self.due.retain(|old| due.at.since(old.at) <= AFTER_MAX);
        }
        match self.due.len() < DUE_MAX {
            true => self.due.push(due),
            false => drop(self.metrics.album_dropped.inc()),
        }
    }

    fn send(&self, job: Job) {
        if self.jobs.try_send(job).is_err() {
            self.metrics.album_dropped.inc();
        }
    }
}

/// The thread's work.
fn bind(album: &Album, outbox: &Outbox, metrics: &Metrics, jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        match job {
            // Once the disk is short, what is left of it is for alerts.
            Job::Keep { .. } if outbox.disk_space() != DiskSpace::Enough => {
                metrics.album_dropped.inc();
            }
            Job::Keep { incident, shot, people, of } => {
                let note = PeopleNote { camera: shot.camera.clone(), people };
                let kept = match encode(&of, &note) {
                    Ok(jpeg) => album.store(&incident, &shot, &jpeg).map_err(|e| e.to_string()),
                    Err(error) => Err(error.to_string()),
                };
                if let Err(error) = kept {
                    metrics.album_dropped.inc();
                    let camera = &shot.camera;
                    tracing::warn!(%incident, %camera, error, "a picture is not kept");
                }
            }
            Job::Tidy { oldest, bytes_max } => match album.prune(oldest, bytes_max) {
                Ok(0) => {}
                Ok(incidents) => tracing::info!(incidents, "old incidents' pictures deleted"),
                Err(error) => tracing::warn!(%error, "old pictures could not be deleted"),
            },
        }
    }
}

fn encode(of: &PictureSource, note: &PeopleNote) -> Result<Vec<u8>, Error> {
    match of {
        PictureSource::Thumbnail(thumbnail) => thumbnail.jpeg_with_people(note),
        PictureSource::Whole(picture, bbox) => {
            picture.jpeg_with_people(WIDTH_MAX, bbox.as_slice(), note)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::alert;
    use crate::frame::{Letterbox, Size};

    fn seconds(at: u64) -> Stamp {
        let wall = Wall(i64::try_from(at).unwrap() * 1_000_000);
        Stamp { mono: Mono(0) + Duration::from_secs(at), wall }
    }

    fn fire() -> Incident {
        let text = include_str!("../../docs/mqtt.md");
        let block = text.split("```json").nth(1).and_then(|rest| rest.split("```").next());
        alert::parse(block.unwrap().as_bytes()).unwrap()
    }

    struct Ward {
        folder: tempfile::TempDir,
        metrics: Metrics,
        pictures: IncidentPictures,
        thread: JoinHandle<()>,
    }

    impl Ward {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (album, metrics) = (Album::open(folder.path()).unwrap(), Metrics::new());
            let outbox = Outbox::open(folder.path()).unwrap();
            let (pictures, thread) = IncidentPictures::start(album, outbox, &metrics).unwrap();
            Self { folder, metrics, pictures, thread }
        }

        /// A frame without a picture; what it brings forth; whether it has a copy.
        fn frame(&mut self, camera: &str, at: u64, revisions: &[Incident], copied: bool) {
            let camera = Id::new(camera).unwrap();
            let picture = Picture::empty();
            let seen = IncidentView {
                camera: &camera,
                at: seconds(at),
                picture: &picture,
                detections: &[],
            };
            let letterbox = Letterbox::none(Size { width: 32, height: 18 });
            let thumbnail = Thumbnail::of(&[7; 3 * 32 * 18], &letterbox).filter(|_| copied);
            self.pictures.note_revisions(revisions, &seen);
            self.pictures.see(&seen, thumbnail);
        }

        /// Returns the times of the kept pictures, in seconds, and how many could not be kept.
        fn end(self) -> (Vec<(String, i64)>, u64) {
            drop(self.pictures);
            self.thread.join().unwrap();
            let shots = Album::open(self.folder.path()).unwrap().shots(&fire().id).unwrap();
            let told = shots.iter().map(|shot| {
                let of = format!("{} {}", shot.camera, shot.moment.as_str());
                (of, shot.at.as_millis() / 1_000)
            });
            (told.collect(), self.metrics.album_dropped.get())
        }
    }

    #[test]
    fn before_is_the_older_copy_and_each_camera_is_seen_to_once() {
        let mut ward = Ward::new();
        for at in [100, 105, 110] {
            ward.frame("hem-42", at, &[], true);
            ward.frame("hem-44", at, &[], true);
        }
        ward.frame("hem-42", 111, &[fire()], false);
        // A copy as young as the alert is none of before.
        ward.frame("hem-44", 112, &[fire()], true);
        ward.frame("hem-42", 113, &[fire()], false);
        // Who is no part of it has no pictures of it.
        ward.frame("cong", 113, &[fire()], true);
        ward.frame("hem-42", 116, &[], false);
        ward.frame("hem-42", 117, &[], false);
        ward.frame("hem-42", 118, &[], false);
        let (kept, dropped) = ward.end();
        let before = |camera: &str, at| (format!("{camera} before"), at);
        assert_eq!(kept, [before("hem-42", 105), before("hem-44", 105)]);
        // Two frames of the alert and one of after, which have no picture here.
        assert_eq!(dropped, 3);
    }

    #[test]
    fn what_was_seen_under_other_masks_or_long_ago_is_not_kept() {
        let mut ward = Ward::new();
        ward.frame("hem-42", 100, &[], true);
        ward.pictures.clear(seconds(101));
        // It was on its way when the masks changed.
        ward.frame("hem-42", 101, &[], true);
        ward.frame("hem-44", 102, &[], true);
        ward.frame("hem-42", 110, &[fire()], false);
        ward.frame("hem-44", 163, &[fire()], false);
        // Nor is a picture of minutes later one of after.
        ward.frame("hem-42", 171, &[], false);
        assert_eq!(ward.end(), (Vec::new(), 2));
    }
}
