//! Scenes as cameras send them: each line of a table says what must be told, and when.

use std::time::Duration;

use super::{Fault, Health};
use crate::picture::statistics::{ACROSS, CELLS, Cell, DOWN, FrameStatistics};
use crate::rule::event::{Phase, UnattributedEvent};
use crate::rule::health::HealthConfig;
use crate::rule::kind::RuleKind;
use crate::time::Stamp;

const PIXELS: f32 = 1_000.0;

fn config() -> HealthConfig {
    let seconds = Duration::from_secs;
    HealthConfig {
        enabled: true,
        offline: seconds(60),
        frozen: seconds(60),
        blinded: seconds(30),
        clock: std::time::Duration::ZERO,
    }
}

/// A street: texture mostly in the lower half, noise that never repeats.
#[derive(Clone, Copy)]
struct Scene {
    /// Of the usual texture, what is there, 0..1.
    texture: f32,
    /// Mean brightness, 0..255.
    light: f32,
    grey: bool,
    /// The view upside down: the camera was turned.
    turned: bool,
    noise: bool,
}

const STREET: Scene = Scene { texture: 1.0, light: 110.0, grey: false, turned: false, noise: true };

impl Scene {
    #[expect(clippy::cast_possible_truncation, reason = "sums of a small picture")]
    #[expect(clippy::cast_sign_loss, reason = "they are positive")]
    fn look(self, number: u64) -> FrameStatistics {
        let cells = std::array::from_fn(|i| {
            let (x, row) = (i % ACROSS, i / ACROSS);
            let y = if self.turned { DOWN - 1 - row } else { row };
            let pattern = 2.0 + 3.0 * y as f32 + ((x * 7 + y * 3) % 5) as f32;
            let noise = if self.noise { noise(number, i as u64) } else { 0 };
            Cell {
                light: (self.light * PIXELS) as u32 + noise as u32,
                texture: (pattern * self.texture * PIXELS) as u32 + noise as u32,
            }
        });
        FrameStatistics { cells, pixels_a_cell: PIXELS, grey: self.grey }
    }
}

/// Below 97, and never the same for a whole picture (SplitMix64's finaliser).
fn noise(number: u64, cell: u64) -> u64 {
    let mut mixed = (number * 1_000 + cell).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % 97
}

/// Plays scenes, each for some seconds at one look a second, and answers with what was told at
/// which second.
fn play(scenes: &[(u64, Scene)], daylight: bool) -> Vec<(RuleKind, Phase, u64)> {
    let mut health = Health::new(Stamp::default());
    let mut told = Vec::new();
    let mut second = 0;
    for (lasts, scene) in scenes {
        for _ in 0..*lasts {
            let at = Stamp::default() + Duration::from_secs(second);
            let mut events: Vec<UnattributedEvent> = Vec::new();
            health.on_frame(at, &mut events);
            health.on_statistics(&config(), &scene.look(second), daylight, at, &mut events);
            health.on_tick(&config(), at, &mut events);
            told.extend(events.into_iter().map(|e| (e.rule, e.phase, second)));
            second += 1;
        }
    }
    told
}

#[test]
fn a_street_that_is_seen_is_nothing_to_tell() {
    let rain = Scene { texture: 0.45, ..STREET };
    let infrared = Scene { grey: true, texture: 0.4, light: 60.0, ..STREET };
    let still_night = Scene { texture: 0.01, light: 3.0, noise: false, ..STREET };
    for (what, scenes) in [
        ("an hour of day", vec![(3_600, STREET)]),
        ("heavy rain", vec![(300, STREET), (900, rain), (300, STREET)]),
        ("the infrared filter", vec![(600, STREET), (600, infrared), (600, STREET)]),
        ("it flaps at dusk", [(20, STREET), (20, infrared)].repeat(40)),
        ("a torch for a moment", vec![(300, STREET), (29, covered()), (60, STREET)]),
        ("a black night from the start", vec![(3_600, still_night)]),
        ("covered before it was ever seen", vec![(119, STREET), (100, covered())]),
    ] {
        assert_eq!(play(&scenes, false), [], "{what}");
    }
}

fn covered() -> Scene {
    Scene { texture: 0.02, light: 90.0, grey: true, ..STREET }
}

#[test]
fn a_blinded_camera_is_told_once_and_so_is_its_return() {
    let dark = Scene { texture: 0.01, light: 4.0, grey: true, ..STREET };
    let blurred = Scene { texture: 0.12, ..STREET };
    let turned = Scene { turned: true, ..STREET };
    for (what, blind, daylight, expected) in [
        ("covered", covered(), false, true),
        ("out of focus", blurred, false, true),
        ("turned away", turned, false, true),
        ("its lens shut by day", dark, true, true),
        ("a street without power by night", dark, false, false),
    ] {
        let told = play(&[(300, STREET), (100, blind), (60, STREET)], daylight);
        let wanted =
            [(RuleKind::Blinded, Phase::Started, 330), (RuleKind::Blinded, Phase::Ended, 410)];
        let wanted: &[_] = if expected { &wanted } else { &[] };
        assert_eq!(told, wanted, "{what}");
    }
}

#[test]
fn one_second_short_is_not_told() {
    let told = play(&[(300, STREET), (30, covered()), (60, STREET)], false);
    assert_eq!(told, []);
}

#[test]
fn a_glimpse_is_no_return() {
    let glimpse = (5, STREET);
    let told = play(&[(300, STREET), (60, covered()), glimpse, (60, covered())], false);
    assert_eq!(told, [(RuleKind::Blinded, Phase::Started, 330)]);
}

#[test]
fn a_view_that_stays_is_the_new_one() {
    let turned = Scene { turned: true, ..STREET };
    let told = play(&[(300, STREET), (4_000, turned)], false);
    assert_eq!(told[0], (RuleKind::Blinded, Phase::Started, 330));
    assert_eq!(told[1].1, Phase::Ended);
    assert_eq!(told.len(), 2);
}

#[test]
fn the_same_picture_again_and_again_is_frozen() {
    let stuck = Scene { noise: false, ..STREET };
    let told = play(&[(100, STREET), (120, stuck), (10, STREET)], false);
    // The first stuck picture differs from the one before; the second is the first repetition.
    let expected = [(RuleKind::Frozen, Phase::Started, 161), (RuleKind::Frozen, Phase::Ended, 220)];
    assert_eq!(told, expected);
    assert_eq!(play(&[(100, STREET), (61, stuck), (10, STREET)], false), [], "one look short");
}

#[test]
fn an_encoder_that_is_fed_one_picture_is_frozen_though_its_frames_differ() {
    let mut health = Health::new(Stamp::default());
    let mut events = Vec::new();
    let stuck = Scene { noise: false, ..STREET };
    for second in 0..80u16 {
        // Each frame of a group looks a little different; the next group is the same again.
        let at = Stamp::default() + Duration::from_secs(second.into());
        let look = Scene { texture: 0.9 + f32::from(second % 7) / 100.0, ..stuck }.look(0);
        health.on_statistics(&config(), &look, false, at, &mut events);
    }
    assert_eq!(health.fault(), Some(Fault::Frozen));
    assert_eq!(events.len(), 1);
}

#[test]
fn a_recording_that_is_shown_again_and_again_is_not_stuck() {
    let mut health = Health::new(Stamp::default());
    let mut events = Vec::new();
    for second in (0..600).step_by(2) {
        let at = Stamp::default() + Duration::from_secs(second);
        health.on_statistics(&config(), &STREET.look(second % 36), false, at, &mut events);
    }
    assert_eq!(health.fault(), None);
}

#[test]
fn a_clock_in_the_corner_does_not_hide_that_it_is_stuck() {
    let mut health = Health::new(Stamp::default());
    let mut events = Vec::new();
    let stuck = Scene { noise: false, ..STREET };
    for second in 0..70u32 {
        let at = Stamp::default() + Duration::from_secs(second.into());
        let mut look = stuck.look(0);
        for cell in look.cells.iter_mut().take(6) {
            cell.light += second * 31;
        }
        health.on_statistics(&config(), &look, false, at, &mut events);
    }
    assert_eq!(health.fault(), Some(Fault::Frozen));
    const { assert!(CELLS / 20 >= 6, "a clock is no larger than this") };
}

#[test]
fn silence_ends_what_was_known_and_stays_one_story() {
    let mut health = Health::new(Stamp::default());
    let mut events = Vec::new();
    let stuck = Scene { noise: false, ..STREET };
    let at = |second: u64| Stamp::default() + Duration::from_secs(second);
    for second in 0..=61 {
        health.on_frame(at(second), &mut events);
        health.on_statistics(&config(), &stuck.look(0), false, at(second), &mut events);
    }
    health.on_tick(&config(), at(121), &mut events);
    health.on_frame(at(130), &mut events);
    let told: Vec<_> = events.iter().map(|e| (e.rule, e.phase)).collect();
    assert_eq!(
        told,
        [
            (RuleKind::Frozen, Phase::Started),
            (RuleKind::Offline, Phase::Started),
            (RuleKind::Frozen, Phase::Ended),
            (RuleKind::Offline, Phase::Ended),
        ]
    );
}

#[test]
fn a_wrong_clock_is_told_where_somebody_asked() {
    for (asked_s, ahead, expected) in [
        (60, vec![0, 59, -59], 0),
        (60, vec![0, 60, 61, 70], 1),
        (60, vec![0, -25_200, -25_201, 3], 2),
        (0, vec![0, 1_000_000], 0),
    ] {
        let mut health = Health::new(Stamp::default());
        let mut events = Vec::new();
        let config = HealthConfig { clock: Duration::from_secs(asked_s), ..config() };
        for ahead_s in &ahead {
            health.on_clock(&config, *ahead_s, Stamp::default(), &mut events);
        }
        let told: Vec<_> = events.iter().map(|e| (e.rule, e.phase)).collect();
        let both = [(RuleKind::Clock, Phase::Started), (RuleKind::Clock, Phase::Ended)];
        assert_eq!(told, both[..expected], "{ahead:?}");
    }
}
