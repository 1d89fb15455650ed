//! The cameras' newest pictures, for whoever looks just now.
//!
//! Nothing is kept for a camera that nobody asks about, and nothing is encoded before somebody
//! asks: who asks first waits for the next frame that is analysed, everybody else for them.
//!
//! | | |
//! | --- | --- |
//! | bound | one JPEG a camera and view; no decoded picture is kept |
//! | cost | one encoding a camera, view and second, `ENCODERS` at a time |

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::Semaphore;
use tokio::sync::oneshot;

use crate::detection::Detection;
use crate::detection::people;
use crate::frame::Picture;
use crate::frame::redaction;
use crate::geometry::BoundingBox;
use crate::time::Clock;
use crate::time::Mono;
use crate::time::Stamp;
use crate::ward::Id;

/// Pictures are encoded no more often than this.
const ENCODED_EVERY: Duration = Duration::from_secs(1);
/// As long is the next frame waited for, where there is an older picture to show...
const WAIT: Duration = Duration::from_millis(1_500);
/// ... and where there is none.
const FIRST_WAIT: Duration = Duration::from_secs(7);
/// Pictures that are encoded at the same time: the rest of the machine looks for fires.
const ENCODERS: usize = 2;

/// The width of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Width {
    /// For a wall of many.
    Small,
    /// For one alone.
    Large,
}

impl Width {
    fn pixels(self) -> u32 {
        match self {
            Self::Small => 320,
            Self::Large => 960,
        }
    }
}

/// The picture that is shown of a camera.
#[derive(Clone, Debug)]
pub(super) struct ShownPicture {
    pub(super) jpeg: Bytes,
    /// The time at which the frame's last packet arrived.
    pub(super) at: Stamp,
    encoded: Mono,
}

/// The view that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PictureView {
    pub(super) width: Width,
    /// For whoever may see faces; else people's heads are a few squares.
    pub(super) faces: bool,
}

/// A frame, and everybody the detector found in it.
type Seen = (Picture, Arc<[BoundingBox]>, Stamp);
type Slot = Arc<tokio::sync::Mutex<Option<ShownPicture>>>;
type Waiting = Vec<oneshot::Sender<Seen>>;

/// All cameras' pictures. Clones share them.
#[derive(Clone)]
pub struct Gallery {
    inner: Arc<Mutex<Inner>>,
    encoders: Arc<Semaphore>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Inner {
    slots: BTreeMap<(Id, PictureView), Slot>,
    /// At most one a camera and view.
    waiting: BTreeMap<Id, Waiting>,
}

impl Gallery {
    /// Empty; `clock` is what frames were stamped with.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { inner: Arc::default(), encoders: Arc::new(Semaphore::new(ENCODERS)), clock }
    }

    /// A frame of `camera` was analysed; costs a look-up where nobody waits for it. `found`: what
    /// the detector sees in it, for whoever may not see faces.
    pub fn offer(&self, camera: &Id, picture: &Picture, found: &[Detection], at: Stamp) {
        let Some(waiting) = self.lock().waiting.remove(camera) else { return };
        let people: Arc<[BoundingBox]> = people(found).into();
        for one in waiting {
            if one.send((picture.clone(), Arc::clone(&people), at)).is_err() {
                tracing::trace!(%camera, "whoever waited for its picture has left");
            }
        }
    }

    /// Forgets every picture: cameras' masks may be others from now on, consents over.
    pub fn clear(&self) {
        *self.lock() = Inner::default();
    }

    /// The newest picture of a camera. `comes`: frames of it are analysed just now, so that it is
    /// worth waiting for one.
    pub(super) async fn picture(
        &self,
        camera: &Id,
        view: PictureView,
        comes: bool,
    ) -> Option<ShownPicture> {
        let slot = self.lock().slots.entry((camera.clone(), view)).or_default().clone();
        let mut shown = slot.lock().await;
        let fresh =
            |shown: &ShownPicture| self.clock.now().mono.since(shown.encoded) < ENCODED_EVERY;
        if !comes || shown.as_ref().is_some_and(fresh) {
            return shown.clone();
        }
        let (sender, receiver) = oneshot::channel();
        self.lock().waiting.entry(camera.clone()).or_default().push(sender);
        let wait = if shown.is_some() { WAIT } else { FIRST_WAIT };
        if let Ok(Ok(seen)) = tokio::time::timeout(wait, receiver).await
            && let (at, Some(jpeg)) = (seen.2, self.encode(camera, seen, view).await)
        {
            *shown = Some(ShownPicture { jpeg, at, encoded: self.clock.now().mono });
        }
        self.forget_gone(camera);
        shown.clone()
    }

    async fn encode(&self, camera: &Id, seen: Seen, view: PictureView) -> Option<Bytes> {
        let _place = self.encoders.acquire().await.ok()?;
        let (picture, people, _) = seen;
        let width = view.width.pixels();
        let encode = move || match view.faces {
            true => picture.jpeg(width, &[]),
            false => picture.redacted_jpeg(width, &people),
        };
        match tokio::task::spawn_blocking(encode).await.ok()? {
            Ok(jpeg) => Some(jpeg.into()),
            Err(error) => {
                tracing::warn!(%camera, %error, "no picture to show");
                None
            }
        }
    }

    /// Forgets those who stopped waiting, even where no frame ever comes.
    fn forget_gone(&self, camera: &Id) {
        let mut inner = self.lock();
        if let Some(waiting) = inner.waiting.get_mut(camera) {
            waiting.retain(|one| !one.is_closed());
            if waiting.is_empty() {
                inner.waiting.remove(camera);
            }
        }
    }

    /// A snapshot as whoever may not see faces gets it; none where it can't be made.
    pub(super) async fn without_faces(&self, jpeg: Vec<u8>) -> Option<Vec<u8>> {
        let _place = self.encoders.acquire().await.ok()?;
        match tokio::task::spawn_blocking(move || redaction::redact_jpeg(&jpeg)).await.ok()? {
            Ok(jpeg) => Some(jpeg),
            Err(error) => {
                tracing::warn!(%error, "a snapshot is kept back: its faces can't be hidden");
                None
            }
        }
    }

    /// Held for a look-up or a change only, never over an await.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
