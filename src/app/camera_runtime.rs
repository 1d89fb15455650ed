//! The machinery of cameras: for each a supervising task, a queue, a decoding thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::threads::join_all;
use crate::attention::{Level, budget};
use crate::camera::CameraState;
use crate::camera::queue;
use crate::camera::rtsp::Rtsp;
use crate::camera::supervisor::{SupervisorContext, SupervisorOutputs, supervise};
use crate::config::CameraSettings;
use crate::frame::decode;
use crate::frame::decode_rate::DecodeRate;
use crate::frame::mailbox::Mailboxes;
use crate::frame::mask::Masks;
use crate::frame::{InputFormat, Picture, worker};
use crate::geometry::Polygon;
use crate::metrics::Stage;
use crate::time::Mono;
use crate::ward::Id;

/// One camera at work.
struct CameraRuntime {
    stream: crate::camera::Config,
    masks: Vec<Polygon>,
    /// The same as its decoder has them.
    drawn: Arc<Masks>,
    decode_rate: DecodeRate,
    /// Its own place in 0..1 among those that change over to key frames one after another.
    spot: f64,
    state: watch::Receiver<CameraState>,
    stop: CancellationToken,
    supervisor: tokio::task::JoinHandle<()>,
    decoder: JoinHandle<()>,
}

/// All cameras at work.
pub(super) struct CameraRuntimes {
    context: SupervisorContext<Rtsp>,
    mailboxes: Arc<Mailboxes>,
    input: InputFormat,
    /// Two pictures of a camera are never further apart, as far as its stream allows.
    picture_gap_max: Duration,
    stop: CancellationToken,
    running: BTreeMap<Id, CameraRuntime>,
}

impl CameraRuntimes {
    /// None yet. Frames go to `mailboxes` in the form of `input`; `stop` ends them all.
    pub(super) fn new(
        context: SupervisorContext<Rtsp>,
        mailboxes: Arc<Mailboxes>,
        input: InputFormat,
        stop: CancellationToken,
    ) -> Self {
        let picture_gap_max = budget::Config::default().picture_gap_max();
        Self { context, mailboxes, input, picture_gap_max, stop, running: BTreeMap::new() }
    }

    /// Makes the cameras at work those of `wanted`. Whoever stays with the same stream and masks
    /// is not touched.
    pub(super) fn set(&mut self, wanted: &[CameraSettings]) {
        let stays = |id: &Id, runtime: &CameraRuntime| {
            wanted.iter().any(|camera| {
                camera.site.id == *id
                    && camera.stream == runtime.stream
                    && camera.masks == runtime.masks
            })
        };
        let gone: Vec<Id> = self
            .running
            .iter()
            .filter(|(id, runtime)| !stays(id, runtime))
            .map(|(id, _)| id.clone())
            .collect();
        for id in gone {
            if let Some(runtime) = self.running.remove(&id) {
                // Its thread ends by itself once its queue has; nobody has to wait for that.
                runtime.stop.cancel();
                self.mailboxes.remove(&id);
            }
        }
        for camera in wanted {
            if self.running.contains_key(&camera.site.id) {
                continue;
            }
            match self.start(camera) {
                Ok(runtime) => {
                    self.running.insert(camera.site.id.clone(), runtime);
                }
                Err(error) => {
                    let camera = &camera.site.id;
                    tracing::error!(%camera, %error, "no thread to decode it; tried in a minute");
                }
            }
        }
    }

    /// Tells whether a picture is of a camera at work, under the masks that hold now: one that was
    /// on its way when they changed, or when consent ended, is nobody's to see.
    pub(super) fn shows(&self, camera: &Id, picture: &Picture) -> bool {
        self.running.get(camera).is_some_and(|runtime| picture.is_under(&runtime.drawn))
    }

    /// Tells whether a camera is at work.
    pub(super) fn watches(&self, camera: &Id) -> bool {
        self.running.contains_key(camera)
    }

    /// No camera goes unanalysed for longer than this allows.
    pub(super) fn bound(&mut self, config: budget::Config) {
        self.picture_gap_max = config.picture_gap_max();
    }

    /// Sets the schedule to what can be promised just now.
    pub(super) fn promise(&self, governor: &budget::Governor) {
        self.mailboxes.set_gap_max(governor.wait_max());
    }

    /// Sets how urgently and how often a camera is looked at.
    pub(super) fn attend(&self, camera: &Id, level: Level, governor: &budget::Governor) {
        if let Some(runtime) = self.running.get(camera) {
            let period = governor.period(level);
            runtime.decode_rate.set(period);
            runtime.decode_rate.bound(governor.gap(level));
            runtime
                .decode_rate
                .save(governor.thrift(level, runtime.spot), governor.is_patient(level));
            self.mailboxes.set_focus(camera, level, period);
        }
    }

    /// Returns when something moved in front of each camera where anything has since the last call.
    pub(super) fn take_motion(&self) -> Vec<(Id, Mono)> {
        let moved = |(id, runtime): (&Id, &CameraRuntime)| {
            Some((id.clone(), runtime.decode_rate.take_motion()?))
        };
        self.running.iter().filter_map(moved).collect()
    }

    /// Cameras that decoded a wanted picture too late since the last call.
    pub(super) fn take_late(&self) -> usize {
        self.running.values().filter(|runtime| runtime.decode_rate.take_late()).count()
    }

    /// Returns how long detector threads have waited for frames, all together.
    pub(super) fn waited(&self) -> Duration {
        self.mailboxes.total_wait()
    }

    /// Returns what a camera's supervisor is doing.
    pub(super) fn state(&self, camera: &Id) -> Option<CameraState> {
        self.running.get(camera).map(|runtime| runtime.state.borrow().clone())
    }

    /// Stops all and waits for them.
    pub(super) async fn stop_all(self) {
        self.stop.cancel();
        let mut decoders = Vec::new();
        for (id, runtime) in self.running {
            if runtime.supervisor.await.is_err() {
                tracing::error!(camera = %id, "its supervisor had panicked");
            }
            decoders.push(runtime.decoder);
        }
        join_all(decoders).await;
    }

    fn start(&self, camera: &CameraSettings) -> std::io::Result<CameraRuntime> {
        let id = &camera.site.id;
        let metrics = &self.context.metrics;
        let (sender, receiver) = queue::channel(metrics.flow(id.as_str(), Stage::Receive));
        let spot = spot(id);
        let decode_rate = DecodeRate::with_lead(spot);
        decode_rate.set(Level::Idle.period());
        decode_rate.bound(self.picture_gap_max);
        let drawn = Arc::new(Masks::new(camera.masks.clone()));
        let setup = worker::DecodeSetup {
            config: decode::Config {
                camera: id.clone(),
                input: self.input,
                masks: Arc::clone(&drawn),
            },
            decode_rate: decode_rate.clone(),
            mailboxes: Arc::clone(&self.mailboxes),
            clock: Arc::clone(&self.context.clock),
            metrics: metrics.clone(),
        };
        let decoder = worker::spawn(setup, receiver)?;
        let since = self.context.clock.now();
        let (state_in, state) = watch::channel(CameraState::Connecting { since });
        let stop = self.stop.child_token();
        let supervisor = tokio::spawn(supervise(
            camera.stream.clone(),
            self.context.clone(),
            SupervisorOutputs { queue: sender, state: state_in },
            StdRng::seed_from_u64(rand::random()),
            stop.clone(),
        ));
        let (stream, masks) = (camera.stream.clone(), camera.masks.clone());
        Ok(CameraRuntime {
            stream,
            masks,
            drawn,
            decode_rate,
            spot,
            state,
            stop,
            supervisor,
            decoder,
        })
    }
}

/// Spreads cameras over 0..1 by their ids, the same each time (FNV-1a; its upper bits mix best).
fn spot(id: &Id) -> f64 {
    let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(16_777_619);
    let hash = id.as_str().as_bytes().iter().fold(2_166_136_261, mix);
    f64::from(hash) / f64::from(u32::MAX)
}
