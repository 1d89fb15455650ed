//! The task around the pure core: feeds it, tells the cameras how closely to look, and hands what
//! it finds to the outbox's writer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::camera_runtime::CameraRuntimes;
use super::commands::{Commands, Intake, Origin};
use super::incident_pictures;
use super::incident_pictures::IncidentPictures;
use super::load::Gauge;
use super::outbox_writer::{AlertPicture, Job, PendingAnswer};
use super::policy::{album_bytes_max, context, limits, permitted, retention};
use super::recall;
use super::status::{CameraView, Statuses};
use crate::alert;
use crate::attention::budget::{Demand, Governor};
use crate::audit;
use crate::camera::CameraState;
use crate::config::{Reload, Settings, diff};
use crate::detection::{ModelIdentity, people};
use crate::detection_log;
use crate::detection_log::{DetectionLogWriter, LoggedInput, StoredVerdict};
use crate::detector::AnalysedFrame;
use crate::frame::redaction::PeopleNote;
use crate::incident::Incident;
use crate::metrics::{Metrics, Stage, Timer};
use crate::mqtt::Inbound;
use crate::outbox::Outbox;
use crate::pipeline::{Command, Core, FrameResult, Watched};
use crate::time::{Clock, Stamp, Wall};
use crate::ward::Id;
use crate::web::{CommandOutcome, Gallery, PageRequest};

/// Silence is an input too; statuses are told as often.
const TICK: Duration = Duration::from_secs(1);
/// Jobs that may wait with a picture: some 6 MB each at the most that is usual.
const PICTURES_WAITING_MAX: usize = 48;
/// The interval at which it is checked whether anything moves in front of a camera.
const GLANCE: Duration = Duration::from_millis(250);
/// The interval at which it is checked whether an owner's consent has ended or an alert grown old.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// The channels by which input comes.
pub(super) struct Inputs {
    pub(super) analysed: mpsc::Receiver<AnalysedFrame>,
    pub(super) inbound: mpsc::Receiver<Inbound>,
    pub(super) requests: mpsc::Receiver<PageRequest>,
    pub(super) reloads: mpsc::Receiver<Reload>,
}

/// The channels by which output goes.
pub(super) struct Outputs {
    pub(super) cameras: CameraRuntimes,
    pub(super) statuses: Statuses,
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) detection_writer: DetectionLogWriter,
    pub(super) audit: audit::AuditLog,
    pub(super) gallery: Gallery,
    pub(super) pictures: IncidentPictures,
}

/// The core and what it moves.
pub(super) struct CoreTask {
    core: Core,
    settings: Settings,
    model: ModelIdentity,
    context: Arc<alert::AlertContext>,
    /// The cameras at work, by id: those whose owners allow it.
    permitted: Vec<Id>,
    kept_house: Stamp,
    /// The time at which a frame was last judged.
    last_frame: Option<Stamp>,
    governor: Governor,
    gauge: Gauge,
    reload_error: Option<String>,
    commands: Commands,
    outputs: Outputs,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    core_timer: Timer,
}

impl CoreTask {
    pub(super) fn new(
        settings: Settings,
        model: ModelIdentity,
        outputs: Outputs,
        clock: &Arc<dyn Clock>,
        metrics: &Metrics,
    ) -> Self {
        outputs.statuses.publish_audit_head(outputs.audit.head());
        let now = clock.now();
        let (audit, detection_writer) = (outputs.audit.clone(), outputs.detection_writer.clone());
        let commands = Commands::new(audit, detection_writer, metrics.clone());
        Self {
            core: Core::new(settings.ward.timezone.clone(), Vec::new(), now),
            context: Arc::new(context(&settings, &model)),
            model,
            governor: Governor::new(settings.attention),
            gauge: Gauge::new(settings.detector.threads, Arc::clone(clock)),
            permitted: Vec::new(),
            kept_house: now,
            last_frame: None,
            reload_error: None,
            commands,
            outputs,
            clock: Arc::clone(clock),
            metrics: metrics.clone(),
            core_timer: metrics.timer(Stage::Core),
            settings,
        }
    }

    /// Takes back the incidents that were open when the daemon stopped, and what people declared
    /// false alarms.
    pub(super) fn restore(mut self, outbox: &Outbox) -> Self {
        let live = outbox.live().unwrap_or_else(|error| {
            tracing::error!(%error, "open incidents can't be read back");
            Vec::new()
        });
        let closed = recall::closed(outbox).unwrap_or_else(|error| {
            tracing::error!(%error, "closed incidents can't be read back");
            Vec::new()
        });
        let parsed = live.iter().filter_map(|entry| match alert::parse(&entry.payload) {
            Ok(incident) => Some(incident),
            Err(error) => {
                tracing::error!(sequence = entry.sequence.0, %error, "not read back");
                None
            }
        });
        let incidents: Vec<Incident> = parsed.collect();
        if !incidents.is_empty() {
            tracing::info!(open = incidents.len(), "open incidents read back");
        }
        let now = self.clock.now();
        self.core.restore(incidents.into_iter().chain(closed), now);
        let taught = recall::false_alarms(outbox).unwrap_or_else(|error| {
            tracing::error!(%error, "false alarms can't be read back");
            Vec::new()
        });
        for incident in &taught {
            self.core.recall(incident, now);
        }
        self.commands.recall_notes(&mut self.core, outbox, now);
        self
    }

    /// Works until `stop`; then answers with the cameras, for whoever stops them. What was
    /// analysed until then is judged.
    pub(super) async fn run(
        mut self,
        mut inputs: Inputs,
        stop: CancellationToken,
    ) -> CameraRuntimes {
        self.apply(self.settings.clone()).await;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut glances = tokio::time::interval(GLANCE);
        glances.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(reload) = inputs.reloads.recv() => self.on_reload(reload).await,
                Some(inbound) = inputs.inbound.recv() => self.on_inbound(inbound).await,
                Some(ask) = inputs.requests.recv() => self.on_ask(ask).await,
                _ = ticks.tick() => self.on_tick().await,
                _ = glances.tick() => self.on_glance(),
                Some(analysed) = inputs.analysed.recv() => self.on_analysed(analysed).await,
            }
        }
        while let Ok(analysed) = inputs.analysed.try_recv() {
            self.on_analysed(analysed).await;
        }
        self.outputs.cameras
    }

    async fn on_analysed(&mut self, analysed: AnalysedFrame) {
        let AnalysedFrame {
            camera,
            at,
            mut detections,
            picture,
            statistics,
            thumbnail: small,
            timing,
            ..
        } = analysed;
        if !self.outputs.cameras.shows(&camera, &picture) {
            return;
        }
        let begun = self.clock.now();
        // The core sees what is kept, so that a replay of it sees the same.
        detection_log::round(&mut detections);
        let result = FrameResult { camera, at, detections };
        if self.outputs.detection_writer.is_enabled() {
            self.outputs.detection_writer.append(LoggedInput::Frame(result.clone()));
        }
        let mut revisions = self.core.on_frame(&result);
        if let Some(statistics) = statistics {
            revisions.extend(self.core.on_statistics(&result.camera, &statistics, at));
        }
        let judged = self.clock.now();
        let core = judged.mono.since(begun.mono);
        self.core_timer.observe(core);
        self.metrics.alerts_held_back.inc_by(self.core.take_held_back());
        self.outputs.statuses.count(&result.camera, judged.mono.since(at.mono));
        self.last_frame = Some(judged);
        let level = self.core.level(&result.camera, judged);
        self.outputs.cameras.attend(&result.camera, level, &self.governor);
        self.outputs.gallery.offer(&result.camera, &picture, &result.detections, at);
        let (camera, detections) = (&result.camera, &result.detections[..]);
        let seen = incident_pictures::IncidentView { camera, at, picture: &picture, detections };
        self.outputs.pictures.note_revisions(&revisions, &seen);
        self.outputs.pictures.see(&seen, small);
        if revisions.is_empty() {
            return;
        }
        for incident in &revisions {
            announce(incident);
        }
        let note = PeopleNote { camera: result.camera, people: people(&result.detections) };
        let shown = AlertPicture { note, picture, at: at.mono, timing, core };
        self.hand_over(revisions, Some(shown), judged, None).await;
    }

    /// Looks at what moves before the next tick.
    fn on_glance(&mut self) {
        let now = self.clock.now();
        for (camera, mono) in self.outputs.cameras.take_motion() {
            self.core.on_motion(&camera, Stamp { mono, ..now });
            let level = self.core.level(&camera, now);
            self.outputs.cameras.attend(&camera, level, &self.governor);
        }
    }

    /// Sets how often each level's cameras are looked at from now on, and publishes it.
    fn budget(&mut self, now: Stamp) {
        let mut demand = Demand::default();
        let mut streaming = 0;
        for id in &self.permitted {
            if matches!(self.outputs.cameras.state(id), Some(CameraState::Streaming { .. })) {
                demand.add(self.core.level(id, now));
                streaming += 1;
            }
        }
        let load = self.gauge.read(now, &self.outputs.cameras, streaming);
        let was_degraded = self.governor.is_degraded();
        self.governor.step(now.mono, demand, load);
        self.outputs.cameras.promise(&self.governor);
        let (degraded, granted) = (self.governor.is_degraded(), self.governor.granted());
        if degraded != was_degraded {
            tracing::info!(degraded, granted, ?load, ?demand, "capacity");
        }
        self.metrics.granted.set(granted);
        self.metrics.pressure.set(self.governor.pressure());
        super::load::record(load, &self.metrics);
        self.outputs.statuses.publish_capacity(degraded, granted);
    }

    async fn on_tick(&mut self) {
        let now = self.clock.now();
        let mut revisions = self.core.on_tick(now);
        self.metrics.alerts_held_back.inc_by(self.core.take_held_back());
        self.budget(now);
        for camera in &self.settings.cameras {
            let id = &camera.site.id;
            let level = self.core.level(id, now);
            self.outputs.cameras.attend(id, level, &self.governor);
            let state = self.outputs.cameras.state(id);
            if let Some(CameraState::Streaming { clock_ahead_s: Some(ahead_s), .. }) = state {
                revisions.extend(self.core.on_clock(id, ahead_s, now));
            }
            let fault = self.core.fault(id);
            let seen = CameraView { permitted: self.permitted.contains(id), state, fault, level };
            self.outputs.statuses.publish(id, seen, now);
        }
        self.outputs.statuses.publish_idle(self.last_frame.map(|last| now.mono.since(last.mono)));
        self.outputs.statuses.publish_set_aside(self.metrics.set_aside_now.get());
        self.outputs.statuses.publish_ward(self.reload_error.clone());
        self.publish(revisions, now).await;
        if now.mono.since(self.kept_house.mono) >= HOUSEKEEPING {
            self.kept_house = now;
            self.outputs.statuses.publish_audit_head(self.outputs.audit.head());
            let store = &self.settings.store;
            let kept_us = i64::try_from(retention(store).as_micros()).unwrap_or(i64::MAX);
            let oldest = Wall(now.wall.0.saturating_sub(kept_us));
            self.outputs.pictures.tidy(oldest, album_bytes_max(store));
            if self.consent_changed(now) {
                self.apply(self.settings.clone()).await;
            } else if !self.permitted.iter().all(|id| self.outputs.cameras.watches(id)) {
                // There was no thread left for some; perhaps there is now.
                self.outputs.cameras.set(&permitted(&self.settings, now.wall));
            }
            // Old alerts go though no new one comes: the outbox's writer prunes when it is woken.
            // One that has work waiting needs no waking, and is not waited for.
            if self.outputs.jobs.capacity() == self.outputs.jobs.max_capacity() {
                self.hand_over(Vec::new(), None, now, None).await;
            }
        }
    }

    async fn on_inbound(&mut self, message: Inbound) {
        let now = self.clock.now();
        let heard = self.commands.on_message(&mut self.core, &self.settings, &message, now);
        let pending = PendingAnswer { notes: self.commands.take_notes(), done: message.done };
        match heard {
            Intake::Changed(incident) => {
                announce(&incident);
                self.hand_over(vec![*incident], None, now, Some(pending)).await;
            }
            // What made it so may not be durable yet: it is once all before this is.
            Intake::Same => self.hand_over(Vec::new(), None, now, Some(pending)).await,
            Intake::Refused if !pending.notes.is_empty() => {
                self.hand_over(Vec::new(), None, now, Some(pending)).await;
            }
            Intake::Refused => {
                if pending.done.send(()).is_err() {
                    tracing::debug!("the session has ended; the message will come again");
                }
            }
        }
    }

    async fn on_ask(&mut self, ask: PageRequest) {
        let now = self.clock.now();
        let (khu_pho, who, command, answered) = match ask {
            PageRequest::WatchCamera { camera } => {
                self.core.look(&camera, now);
                let level = self.core.level(&camera, now);
                self.outputs.cameras.attend(&camera, level, &self.governor);
                return;
            }
            PageRequest::Command { khu_pho, who, command, answered } => {
                (khu_pho, who, command, answered)
            }
        };
        let is_patrol = matches!(command, Command::Patrol(_));
        let (done, durable) = oneshot::channel();
        let page = Origin::Page(who);
        let taken = self.commands.take_in(&mut self.core, &khu_pho, command, page, now);
        let pending = PendingAnswer { notes: self.commands.take_notes(), done };
        let outcome = match taken {
            Ok(Some(incident)) => {
                announce(&incident);
                let id = incident.id.clone();
                self.hand_over(vec![incident], None, now, Some(pending)).await;
                CommandOutcome::Done { incident: Some(id), durable }
            }
            // What made it so may not be durable yet: it is once all before this is.
            Ok(None) => {
                self.hand_over(Vec::new(), None, now, Some(pending)).await;
                match is_patrol {
                    true => CommandOutcome::Done { incident: None, durable },
                    false => CommandOutcome::Already { durable },
                }
            }
            Err(error) => CommandOutcome::Refused(error),
        };
        if answered.send(outcome).is_err() {
            tracing::debug!("whoever asked is gone; it is done all the same");
        }
    }

    async fn on_reload(&mut self, reload: Reload) {
        match reload {
            Reload::Good(settings, warnings) => {
                let changes = diff(&self.settings, &settings);
                for warning in warnings {
                    tracing::warn!(%warning, "configuration");
                }
                for section in &changes.restart_needed {
                    tracing::warn!(section, "holds from the next start on");
                }
                tracing::info!(
                    added = changes.cameras_added.len(),
                    removed = changes.cameras_removed.len(),
                    changed = changes.cameras_changed.len(),
                    "configuration reloaded"
                );
                self.reload_error = None;
                self.apply(*settings).await;
            }
            Reload::Bad(faults) => {
                tracing::error!(%faults, "configuration not reloaded; nothing changes");
                self.metrics.reload_failures.inc();
                self.reload_error = Some(faults.to_string());
            }
        }
        self.outputs.statuses.publish_ward(self.reload_error.clone());
    }

    /// Makes `settings` hold; only cameras that changed are touched.
    async fn apply(&mut self, settings: Settings) {
        let now = self.clock.now();
        // Alerts and topics must name the same ward: another one holds from the next start.
        let settings = Settings { ward: self.settings.ward.clone(), ..settings };
        let cameras = permitted(&settings, now.wall);
        self.permitted = cameras.iter().map(|camera| camera.site.id.clone()).collect();
        let watched = |camera: &crate::config::CameraSettings| Watched {
            site: camera.site.clone(),
            rules: camera.rules.clone(),
        };
        let timezone = settings.ward.timezone.clone();
        self.core.set_policy(settings.incidents.clone());
        let ended = self.core.configure(timezone, cameras.iter().map(watched).collect(), now);
        self.publish(ended, now).await;
        self.governor.configure(settings.attention);
        self.outputs.cameras.bound(settings.attention);
        self.outputs.cameras.set(&cameras);
        // Masks and consents may be others from now on.
        self.outputs.gallery.clear();
        self.outputs.pictures.clear(now);
        self.outputs.statuses.configure(&settings);
        self.context = Arc::new(context(&settings, &self.model));
        self.settings = settings;
    }

    fn consent_changed(&self, now: Stamp) -> bool {
        let cameras = permitted(&self.settings, now.wall);
        !cameras.iter().map(|camera| &camera.site.id).eq(self.permitted.iter())
    }

    async fn publish(&self, revisions: Vec<Incident>, at: Stamp) {
        if !revisions.is_empty() {
            revisions.iter().for_each(announce);
            self.hand_over(revisions, None, at, None).await;
        }
    }

    /// Waits while the outbox's writer is behind: alerts are never dropped.
    async fn hand_over(
        &self,
        revisions: Vec<Incident>,
        frame: Option<AlertPicture>,
        judged: Stamp,
        pending: Option<PendingAnswer>,
    ) {
        let verdicts = revisions.iter().filter_map(|incident| StoredVerdict::of(incident, judged));
        verdicts.for_each(|verdict| {
            self.outputs.detection_writer.append(LoggedInput::Verdict(verdict))
        });
        // Alerts wait for a disk that is full or slow; their pictures would fill the memory.
        let waiting = self.outputs.jobs.max_capacity() - self.outputs.jobs.capacity();
        let job = Job {
            revisions,
            frame: frame.filter(|_| waiting < PICTURES_WAITING_MAX),
            judged,
            context: Arc::clone(&self.context),
            retention: retention(&self.settings.store),
            limits: limits(&self.settings.store),
            pending,
        };
        if self.outputs.jobs.send(job).await.is_err() {
            tracing::error!("the outbox's thread is gone; alerts are lost from here on");
        }
    }
}

fn announce(incident: &Incident) {
    let cameras: Vec<&str> = incident.cameras.iter().map(|seen| seen.camera.as_str()).collect();
    tracing::info!(
        id = %incident.id,
        revision = incident.revision,
        kind = incident.kind.as_str(),
        state = incident.state.as_str(),
        ?cameras,
        "incident"
    );
    if let Some(siren) = incident.siren.as_ref().filter(|s| s.revision == incident.revision) {
        let (khu_pho, by) = (&incident.khu_pho, &siren.by);
        tracing::warn!(id = %incident.id, %khu_pho, on = siren.on, ?by, "siren ordered");
    }
    if let Some(over) = incident.closed_at.filter(|_| incident.exercise) {
        let after_s = |at: Option<Wall>| {
            at.map(|at| at.as_millis().saturating_sub(incident.opened_at.as_millis()) / 1_000)
        };
        tracing::info!(
            id = %incident.id,
            escalated_s = after_s(incident.escalated_at),
            acknowledged_s = after_s(incident.acknowledged.as_ref().map(|taken| taken.at)),
            on_scene_s = after_s(incident.on_scene_at),
            over_s = after_s(Some(over)),
            "drill over"
        );
    }
}
