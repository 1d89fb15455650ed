//! The supervisor against a scripted camera, in paused time.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::JoinHandle;

use super::*;
use crate::camera::Packet;
use crate::camera::Transport;
use crate::camera::queue::Receiver;
use crate::metrics::Stage;
use crate::time::Mono;
use crate::time::Wall;
use crate::ward::Id;

/// Tells tokio's time, so that pausing that one pauses this one.
struct PausedClock(tokio::time::Instant);

impl Clock for PausedClock {
    fn now(&self) -> Stamp {
        let micros = u64::try_from(self.0.elapsed().as_micros()).unwrap();
        Stamp { mono: Mono(micros), wall: Wall(i64::try_from(micros).unwrap()) }
    }
}

/// The result of one attempt at a scripted camera.
#[derive(Clone)]
enum Attempt {
    /// Refuses at once.
    Refuse,
    /// Refuses the password.
    Password,
    /// Never answers; gives up after so long, as the real one does.
    Silent(Duration),
    /// Answers after so long, sends so many packets, 100 ms apart, then does this.
    Play(Duration, usize, End),
}

#[derive(Clone, Copy)]
enum End {
    Close,
    Stall,
    Never,
    NoKey,
}

#[derive(Default)]
struct Log {
    /// The times at which attempts began.
    opened: Mutex<Vec<Duration>>,
    closed: AtomicUsize,
    open_now: AtomicUsize,
    open_most: AtomicUsize,
}

#[derive(Clone)]
struct Script {
    attempts: Arc<Mutex<VecDeque<Attempt>>>,
    /// The attempt that follows the script's end again and again.
    then: Attempt,
    log: Arc<Log>,
    start: tokio::time::Instant,
}

struct Opening(Arc<Log>);

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.open_now.fetch_sub(1, Ordering::SeqCst);
    }
}

fn refused() -> Error {
    Error::Unreachable { place: "h:554".into(), detail: "refused".into() }
}

impl Source for Script {
    type Session = Play;

    async fn open(&self, _config: &Config) -> Result<Play, Error> {
        let attempt = self.attempts.lock().unwrap().pop_front();
        let attempt = attempt.unwrap_or_else(|| self.then.clone());
        self.log.opened.lock().unwrap().push(self.start.elapsed());
        let now = self.log.open_now.fetch_add(1, Ordering::SeqCst) + 1;
        self.log.open_most.fetch_max(now, Ordering::SeqCst);
        let _opening = Opening(Arc::clone(&self.log));
        match attempt {
            Attempt::Refuse => Err(refused()),
            Attempt::Password => Err(Error::WrongPassword { place: "h:554".into(), status: 401 }),
            Attempt::Silent(limit) => {
                sleep(limit).await;
                let step = error::Step::Describe;
                Err(Error::NoAnswer { place: "h:554".into(), step, limit })
            }
            Attempt::Play(after, packets, end) => {
                sleep(after).await;
                Ok(Play { log: Arc::clone(&self.log), sent: 0, packets, end })
            }
        }
    }
}

struct Play {
    log: Arc<Log>,
    sent: usize,
    packets: usize,
    end: End,
}

impl Session for Play {
    async fn next(&mut self) -> Result<Packet, Error> {
        sleep(Duration::from_millis(100)).await;
        if self.sent >= self.packets {
            match self.end {
                End::Close => {
                    return Err(Error::Ended { place: "h:554".into(), detail: "bye".into() });
                }
                End::Stall => std::future::pending::<()>().await,
                End::Never | End::NoKey => {}
            }
        }
        let key = self.sent.is_multiple_of(10) && !matches!(self.end, End::NoKey);
        self.sent += 1;
        Ok(Packet {
            codec: Codec::H264,
            data: vec![0; 8].into(),
            key,
            media_time_us: 0,
            received: Stamp::default(),
            lost: 0,
        })
    }

    /// Two hours ahead, give or take what the network adds.
    fn clock_ahead_s(&self) -> Option<i64> {
        let wavers = i64::from(self.sent.is_multiple_of(3));
        (self.sent > 5).then_some(7_200 + wavers)
    }

    async fn close(self) {
        sleep(Duration::from_millis(50)).await;
        self.log.closed.fetch_add(1, Ordering::SeqCst);
    }
}

/// One supervised scripted camera.
struct Rig {
    log: Arc<Log>,
    state: watch::Receiver<CameraState>,
    metrics: Metrics,
    receiver: Receiver,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

fn start(attempts: &[Attempt], then: Attempt) -> Rig {
    start_with(attempts, then, Arc::new(Semaphore::new(CONNECTS_MAX)))
}

fn start_with(attempts: &[Attempt], then: Attempt, connects: Arc<Semaphore>) -> Rig {
    let start = tokio::time::Instant::now();
    let log = Arc::new(Log::default());
    let source = Script {
        attempts: Arc::new(Mutex::new(attempts.iter().cloned().collect())),
        then,
        log: Arc::clone(&log),
        start,
    };
    let metrics = Metrics::new();
    let context = SupervisorContext {
        source,
        clock: Arc::new(PausedClock(start)) as Arc<dyn Clock>,
        connects,
        metrics: metrics.clone(),
        waits: RetryPolicies {
            away: BackoffPolicy::AWAY.steady(),
            refused: BackoffPolicy::REFUSED.steady(),
        },
    };
    let (queue, receiver) = queue::channel(metrics.flow("hem-42", Stage::Receive));
    let (state_to, state) = watch::channel(CameraState::Connecting { since: Stamp::default() });
    let config = Config {
        id: Id::new("hem-42").unwrap(),
        url: url::Url::parse("rtsp://192.0.2.14/stream2").unwrap(),
        username: None,
        password: None,
        transport: Transport::Tcp,
    };
    let shutdown = CancellationToken::new();
    let outputs = SupervisorOutputs { queue, state: state_to };
    let rng = StdRng::seed_from_u64(7);
    let task = tokio::spawn(supervise(config, context, outputs, rng, shutdown.clone()));
    Rig { log, state, metrics, receiver, shutdown, task }
}

impl Rig {
    /// Seconds at which attempts began, to the millisecond.
    fn opened(&self) -> Vec<f64> {
        let opened = self.log.opened.lock().unwrap();
        opened.iter().map(|at| (at.as_secs_f64() * 1000.0).round() / 1000.0).collect()
    }

    /// Asserts that attempts began at these seconds; timers round to a millisecond or two.
    fn opened_at(&self, wanted: &[f64]) {
        let opened = self.opened();
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 0.02;
        let same = opened.len() == wanted.len() && opened.iter().zip(wanted).all(near);
        assert!(same, "{opened:?} is not {wanted:?}");
    }

    /// Ends it and says how long that took.
    async fn stop(self) -> Duration {
        let before = tokio::time::Instant::now();
        self.shutdown.cancel();
        self.task.await.unwrap();
        before.elapsed()
    }
}

const SOON: Duration = Duration::from_millis(20);

#[tokio::test(start_paused = true)]
async fn a_refusing_camera_is_tried_less_and_less_often_up_to_every_2_s() {
    let rig = start(&[], Attempt::Refuse);
    sleep(Duration::from_millis(13_000)).await;
    rig.opened_at(&[0.0, 0.5, 1.5, 3.5, 5.5, 7.5, 9.5, 11.5]);
    assert!(matches!(
        &*rig.state.borrow(),
        CameraState::Waiting { reason, .. } if reason.contains("h:554")
    ));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_tried_rarely() {
    let rig = start(&[], Attempt::Password);
    sleep(Duration::from_secs(300)).await;
    rig.opened_at(&[0.0, 5.0, 20.0, 65.0, 200.0]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_camera_is_asked_again_soon_after_the_limit() {
    let rig = start(&[], Attempt::Silent(Duration::from_secs(6)));
    sleep(Duration::from_secs(20)).await;
    rig.opened_at(&[0.0, 6.083, 12.25, 18.583]);
}

#[tokio::test(start_paused = true)]
async fn a_camera_streams_and_is_counted() {
    let mut rig = start(&[], Attempt::Play(SOON, 0, End::Never));
    rig.state.wait_for(|state| matches!(state, CameraState::Streaming { .. })).await.unwrap();
    assert_eq!(rig.metrics.camera_up("hem-42").get(), 1);
    assert_eq!(rig.metrics.camera_sessions("hem-42").get(), 1);
    assert!(matches!(rig.receiver.recv(), Some(queue::QueueItem::Discontinuity)));
    assert!(matches!(rig.receiver.recv(), Some(queue::QueueItem::Packet(packet)) if packet.key));
    let (metrics, log) = (rig.metrics.clone(), Arc::clone(&rig.log));
    assert!(rig.stop().await <= Duration::from_secs(2));
    assert_eq!(metrics.camera_up("hem-42").get(), 0);
    assert_eq!(log.closed.load(Ordering::SeqCst), 1, "torn down");
}

#[tokio::test(start_paused = true)]
async fn camera_clock_is_reported_without_jitter() {
    let mut rig = start(&[], Attempt::Play(SOON, 0, End::Never));
    let told = |state: &CameraState| {
        matches!(state, CameraState::Streaming { clock_ahead_s: Some(_), .. })
    };
    let first = rig.state.wait_for(told).await.unwrap().clone();
    assert!(matches!(first, CameraState::Streaming { clock_ahead_s: Some(7_200..=7_201), .. }));
    sleep(Duration::from_secs(60)).await;
    assert!(!rig.state.has_changed().unwrap(), "told once");
}

#[tokio::test(start_paused = true)]
async fn a_stalled_session_is_closed_after_5_s_and_begun_anew() {
    let rig = start(&[Attempt::Play(SOON, 3, End::Stall)], Attempt::Play(SOON, 0, End::Never));
    sleep(Duration::from_secs(5)).await;
    assert_eq!(rig.metrics.camera_up("hem-42").get(), 1);
    sleep(Duration::from_millis(400)).await;
    assert!(
        matches!(&*rig.state.borrow(), CameraState::Waiting { reason, .. } if reason.contains("5s"))
    );
    assert_eq!(rig.metrics.camera_up("hem-42").get(), 0);
    sleep(Duration::from_secs(1)).await;
    rig.opened_at(&[0.0, 5.453]);
    assert!(matches!(*rig.state.borrow(), CameraState::Streaming { .. }));
    assert_eq!(rig.log.closed.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_without_key_frames_is_given_up() {
    let mut rig = start(&[], Attempt::Play(SOON, 0, End::NoKey));
    let reason = rig.state.wait_for(|state| matches!(state, CameraState::Waiting { .. })).await;
    assert!(matches!(
        &*reason.unwrap(),
        CameraState::Waiting { reason, .. } if reason.contains("key frame")
    ));
    assert!(rig.receiver.is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_a_stable_session_resets_failures() {
    let short = Attempt::Play(SOON, 10, End::Close);
    let stable = Attempt::Play(SOON, 400, End::Close);
    let rig = start(&[Attempt::Refuse, short.clone(), short, stable], Attempt::Refuse);
    sleep(Duration::from_secs(50)).await;
    // A session of 1.17 s counts towards the waits of 1 s and 2 s that follow it; after the
    // stable one the waits start anew, at what remains of 0.5 s.
    let stable_end = 3.837 + 0.02 + 40.1 + 0.05 + 0.083;
    let again = [stable_end, stable_end + 1.0, stable_end + 3.0, stable_end + 5.0];
    rig.opened_at(&[&[0.0, 0.5, 1.837, 3.837][..], &again].concat());
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_every_phase_in_time() {
    let phases = [
        Attempt::Silent(Duration::from_secs(60)),
        Attempt::Play(SOON, 0, End::Never),
        Attempt::Play(SOON, 1, End::Stall),
        Attempt::Refuse,
        Attempt::Password,
    ];
    for attempt in phases {
        let rig = start(&[], attempt);
        sleep(Duration::from_secs(3)).await;
        assert!(rig.stop().await <= Duration::from_secs(2));
    }
    let rig = start_with(&[], Attempt::Refuse, Arc::new(Semaphore::new(0)));
    sleep(Duration::from_secs(3)).await;
    assert!(rig.opened().is_empty());
    assert!(rig.stop().await <= Duration::from_secs(2), "waiting for a permit");
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_nobody_receives() {
    let rig = start(&[], Attempt::Play(SOON, 0, End::Never));
    let Rig { receiver, task, .. } = rig;
    drop(receiver);
    timeout(Duration::from_secs(2), task).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn attempts_at_the_same_time_are_capped() {
    let connects = Arc::new(Semaphore::new(3));
    let answering = Attempt::Play(Duration::from_millis(200), 0, End::Never);
    // All of them write into the first one's log.
    let first = start_with(&[], answering.clone(), Arc::clone(&connects));
    let start = tokio::time::Instant::now();
    let mut states = vec![first.state.clone()];
    for _ in 0..11 {
        let source = Script {
            attempts: Arc::default(),
            then: answering.clone(),
            log: Arc::clone(&first.log),
            start,
        };
        states.push(spawn_sharing(source, Arc::clone(&connects)));
    }
    for state in &mut states {
        state.wait_for(|state| matches!(state, CameraState::Streaming { .. })).await.unwrap();
    }
    assert_eq!(first.log.open_most.load(Ordering::SeqCst), 3);
    assert_eq!(first.opened().len(), 12);
}

#[tokio::test(start_paused = true)]
async fn cameras_that_are_off_do_not_keep_others_waiting() {
    let connects = Arc::new(Semaphore::new(CONNECTS_MAX));
    let off = Attempt::Silent(Duration::from_secs(6));
    let rigs: Vec<Rig> =
        (0..300).map(|_| start_with(&[], off.clone(), Arc::clone(&connects))).collect();
    sleep(Duration::from_secs(60)).await;
    let before = tokio::time::Instant::now();
    let mut rig = start_with(&[], Attempt::Play(SOON, 0, End::Never), connects);
    rig.state.wait_for(|state| matches!(state, CameraState::Streaming { .. })).await.unwrap();
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
    drop(rigs);
}

/// A camera whose packets go nowhere; its state.
fn spawn_sharing(source: Script, connects: Arc<Semaphore>) -> watch::Receiver<CameraState> {
    let metrics = Metrics::new();
    let clock = Arc::new(PausedClock(source.start)) as Arc<dyn Clock>;
    let context = SupervisorContext {
        source,
        clock,
        connects,
        metrics: metrics.clone(),
        waits: RetryPolicies::default(),
    };
    let (queue, receiver) = queue::channel(metrics.flow("other", Stage::Receive));
    let (state, states) = watch::channel(CameraState::Connecting { since: Stamp::default() });
    let config = Config {
        id: Id::new("other").unwrap(),
        url: url::Url::parse("rtsp://192.0.2.15/").unwrap(),
        username: None,
        password: None,
        transport: Transport::Tcp,
    };
    let rng = StdRng::seed_from_u64(8);
    let outputs = SupervisorOutputs { queue, state };
    tokio::spawn(async move {
        let _receiver = receiver;
        supervise(config, context, outputs, rng, CancellationToken::new()).await;
    });
    states
}

#[test]
fn repeated_failures_are_logged_at_a_decreasing_rate() {
    let mut throttle = LogThrottle::default();
    let told: Vec<u32> = (1..=40).filter(|_| throttle.tells("unreachable")).collect();
    assert_eq!(told, [1, 2, 4, 8, 16, 32]);
    assert!(throttle.tells("no answer"), "another kind is news");
    assert!(!throttle.tells("unreachable"));
    throttle.reset();
    assert!(throttle.tells("unreachable"));
}
