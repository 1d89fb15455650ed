//! `[rule]`, and the same keys inside `[[camera]]` laid over it.

use std::time::Duration;

use crate::rule::BurningConfig;
use crate::rule::Config;
use crate::rule::HealthConfig;
use crate::rule::Hours;
use crate::rule::LoiteringConfig;
use crate::rule::Night;
use crate::rule::RuleKind;
use crate::rule::Zone;
use crate::ward::Coordinates;

use super::reader::Item;
use super::reader::Section;
use super::values;

/// Zones and masks of one camera.
pub(super) const AREAS_MAX: usize = 32;
/// The longest half-life of a memory.
const DAYS_MAX: f32 = 3_650.0;

const DAY: Duration = Duration::from_secs(86_400);
/// Spans of residents' hours of one zone.
const HOURS_MAX: usize = 8;

/// What holds where neither `[rule]` nor the camera says otherwise.
pub(super) fn defaults() -> Config {
    let seconds = Duration::from_secs;
    Config {
        fire: BurningConfig {
            enabled: true,
            confidence_min: 0.45,
            confirm: seconds(3),
            quiet: seconds(30),
            forget: DAY * 14,
        },
        smoke: BurningConfig {
            enabled: true,
            confidence_min: 0.50,
            confirm: seconds(6),
            quiet: seconds(30),
            forget: DAY * 14,
        },
        loitering: LoiteringConfig {
            enabled: true,
            confidence_min: 0.45,
            dwell: seconds(120),
            night: Night::Hours {
                from: jiff::civil::time(22, 0, 0, 0),
                until: jiff::civil::time(5, 0, 0, 0),
            },
            quiet: seconds(60),
            return_window: seconds(600),
            group_size: 3,
            group_dwell: seconds(60),
        },
        camera: HealthConfig {
            enabled: true,
            offline: seconds(60),
            frozen: seconds(60),
            blinded: seconds(30),
            clock: Duration::ZERO,
        },
        zones: Vec::new(),
    }
}

/// `base` with the keys of `section.rule` laid over. `ward` is where the sun sets.
pub(super) fn read(section: &Section<'_>, mut base: Config, ward: Option<Coordinates>) -> Config {
    let Some(rule) = section.section("rule") else { return base };
    for (key, burning) in [("fire", &mut base.fire), ("smoke", &mut base.smoke)] {
        if let Some(keys) = rule.section(key) {
            lay(&mut burning.enabled, keys.item("enabled").and_then(|i| i.boolean()));
            lay(&mut burning.confidence_min, confidence(&keys));
            lay(&mut burning.confirm, keys.item("confirm_s").and_then(|i| i.seconds(600)));
            lay(&mut burning.quiet, keys.item("quiet_s").and_then(|i| i.seconds(3600)));
            lay(&mut burning.forget, keys.item("forget_days").and_then(|i| days(&i)));
            keys.finish();
        }
    }
    if let Some(keys) = rule.section("loitering") {
        let loitering = &mut base.loitering;
        lay(&mut loitering.enabled, keys.item("enabled").and_then(|i| i.boolean()));
        lay(&mut loitering.confidence_min, confidence(&keys));
        lay(&mut loitering.dwell, keys.item("dwell_s").and_then(|i| i.seconds(86_400)));
        lay(&mut loitering.night, keys.item("night").and_then(|i| night(&i, ward)));
        lay(&mut loitering.quiet, keys.item("quiet_s").and_then(|i| i.seconds(3600)));
        company(&keys, loitering);
        keys.finish();
    }
    if let Some(keys) = rule.section("camera") {
        lay(&mut base.camera.enabled, keys.item("enabled").and_then(|i| i.boolean()));
        let seconds = |key: &'static str| keys.item(key).and_then(|i| i.seconds(86_400));
        lay(&mut base.camera.offline, seconds("offline_s"));
        lay(&mut base.camera.frozen, seconds("frozen_s"));
        lay(&mut base.camera.blinded, seconds("blinded_s"));
        let clock = keys.item("clock_s").and_then(|item| item.number(0.0..=1e9, " (seconds)"));
        lay(&mut base.camera.clock, clock.map(Duration::from_secs_f64));
        keys.finish();
    }
    rule.finish();
    base
}

/// Who comes back, and who comes with others.
fn company(keys: &Section<'_>, loitering: &mut LoiteringConfig) {
    let window = |item: Item<'_>| item.number(0.0..=86_400.0, " (seconds)");
    let window = keys.item("return_window_s").and_then(window);
    lay(&mut loitering.return_window, window.map(Duration::from_secs_f64));
    lay(&mut loitering.group_size, keys.item("group_size").and_then(|i| i.number(2..=50, "")));
    lay(&mut loitering.group_dwell, keys.item("group_dwell_s").and_then(|i| i.seconds(86_400)));
}

/// `[[camera.zone]]`, in the file's order.
pub(super) fn zones(camera: &Section<'_>) -> Vec<Zone> {
    let sections = camera.sections("zone");
    if sections.len() > AREAS_MAX {
        camera.fault(format!("has {} zones", sections.len()), "give at most 32");
    }
    let mut named: Vec<(String, usize)> = Vec::new();
    let mut zones = Vec::new();
    for section in sections {
        let name = section.required("name", "people read it in alerts");
        let title = name.as_ref().and_then(Item::text).map(str::to_owned);
        if let (Some(item), Some(title)) = (&name, &title) {
            if let Some((_, line)) = named.iter().find(|(other, _)| other == title) {
                let message = format!("this camera has a zone {title:?} on line {line} already");
                item.fault(message, "give each zone a name of its own");
            }
            named.push((title.clone(), item.line()));
        }
        let rules = kinds(&section);
        let outline = section.required("polygon", "give the zone's corners");
        let polygon = outline.and_then(|item| values::polygon(&item));
        let residents = section.item("residents_hours").and_then(|item| spans(&item));
        section.finish();
        if let (Some(name), Some(rules), Some(polygon)) = (title, rules, polygon) {
            let residents = residents.unwrap_or_default();
            zones.push(Zone { name, rules, polygon, residents });
        }
    }
    zones
}

fn kinds(section: &Section<'_>) -> Option<Vec<RuleKind>> {
    let words =
        [("fire", RuleKind::Fire), ("smoke", RuleKind::Smoke), ("loitering", RuleKind::Loitering)];
    let list = section.required("rules", "name the rules that look here: [\"loitering\"]")?;
    let items = list.items()?;
    if items.is_empty() {
        list.fault("names no rule", "give at least one of fire, smoke, loitering");
    }
    let mut kinds: Vec<RuleKind> = items.iter().filter_map(|item| item.word(&words)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    (!kinds.is_empty()).then_some(kinds)
}

fn confidence(section: &Section<'_>) -> Option<f32> {
    section.item("confidence_min")?.number(0.0..=1.0, "")
}

/// A number of days, which may have a fraction.
fn days(item: &Item<'_>) -> Option<Duration> {
    let days: f32 = item.number(0.0..=DAYS_MAX, " (days)")?;
    Some(DAY.mul_f64(f64::from(days)))
}

/// Hours of the ward's clock, or the sun's.
pub(super) fn night(item: &Item<'_>, ward: Option<Coordinates>) -> Option<Night> {
    let text = item.text()?;
    if text == "sun" {
        if ward.is_none() {
            let remedy = "add latitude and longitude to [ward]";
            item.absence("where the sun sets is not known", remedy);
        }
        return ward.map(Night::Sun);
    }
    let found = hours(item, text, "write it like \"22:00-05:00\", or \"sun\"")?;
    Some(Night::Hours { from: found.from, until: found.until })
}

/// Hours of the day, each `HH:MM-HH:MM`.
fn spans(list: &Item<'_>) -> Option<Vec<Hours>> {
    let items = list.items()?;
    if items.len() > HOURS_MAX {
        list.fault(format!("has {} spans of hours", items.len()), "give at most 8");
    }
    let span = |item: &Item<'_>| hours(item, item.text()?, "write it like \"04:30-06:00\"");
    Some(items.iter().filter_map(span).collect())
}

/// `HH:MM-HH:MM`.
fn hours(item: &Item<'_>, text: &str, remedy: &str) -> Option<Hours> {
    let found = text.split_once('-').and_then(|(from, until)| {
        Some(Hours { from: minute(from.trim())?, until: minute(until.trim())? })
    });
    if found.is_none() {
        item.fault(format!("{text:?} are no hours"), remedy);
    }
    found
}

/// `HH:MM`.
fn minute(text: &str) -> Option<jiff::civil::Time> {
    let (hour, minute) = text.split_once(':')?;
    let plain = |part: &str| part.len() <= 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !plain(hour) || minute.len() != 2 || !plain(minute) {
        return None;
    }
    jiff::civil::Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

fn lay<T>(under: &mut T, over: Option<T>) {
    if let Some(value) = over {
        *under = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_hours_and_minutes_only() {
        assert_eq!(minute("22:05"), Some(jiff::civil::time(22, 5, 0, 0)));
        assert_eq!(minute("5:00"), Some(jiff::civil::time(5, 0, 0, 0)));
        for wrong in ["24:00", "22:60", "22", "22:5", "-2:00", "+2:00", "22:00:00"] {
            assert_eq!(minute(wrong), None, "{wrong}");
        }
    }
}
