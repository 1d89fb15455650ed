//! `[rule]`, and the same keys inside `[[camera]]` laid over it.

use std::time::Duration;

use crate::rule::Config;
use crate::rule::Hours;
use crate::rule::Night;
use crate::rule::RuleKind;
use crate::rule::Zone;
use crate::rule::key::DAY;
use crate::rule::key::KeyValue;
use crate::ward::Coordinates;

use super::reader::Item;
use super::reader::Section;
use super::values;

/// Zones and masks of one camera.
pub(super) const AREAS_MAX: usize = 32;
/// Spans of residents' hours of one zone.
const HOURS_MAX: usize = 8;

/// `base` with the keys of `section.rule` laid over. `ward` is where the sun sets.
pub(super) fn read(section: &Section<'_>, mut base: Config, ward: Option<Coordinates>) -> Config {
    let Some(rule) = section.section("rule") else { return base };
    for (name, keys) in base.sections() {
        let Some(section) = rule.section(name) else { continue };
        for key in keys {
            if let Some(item) = section.item(key.name) {
                lay(key.value, &item, ward);
            }
        }
        section.finish();
    }
    rule.finish();
    base
}

/// Lays what is written over what holds; where it is faulty, what holds stays.
fn lay(under: KeyValue<'_>, item: &Item<'_>, ward: Option<Coordinates>) {
    fn over<T>(under: &mut T, read: Option<T>) {
        if let Some(value) = read {
            *under = value;
        }
    }
    match under {
        KeyValue::Flag(flag) => over(flag, item.boolean()),
        KeyValue::Share(share) => over(share, item.number(0.0..=1.0, "")),
        KeyValue::Count(count, bounds) => over(count, item.number(bounds, "")),
        KeyValue::Seconds(duration, bounds) => {
            let seconds = item.number(bounds, " (seconds)");
            over(duration, seconds.map(Duration::from_secs_f64));
        }
        KeyValue::Days(duration, bounds) => {
            let days = item.number(bounds, " (days)").map(f64::from);
            over(duration, days.map(|days| DAY.mul_f64(days)));
        }
        KeyValue::Night(hours) => over(hours, night(item, ward)),
    }
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
    let zoned = RuleKind::ALL.into_iter().filter(|kind| kind.is_zoned());
    let words: Vec<_> = zoned.map(|kind| (kind.section(), kind)).collect();
    let list = section.required("rules", "name the rules that look here: [\"loitering\"]")?;
    let items = list.items()?;
    if items.is_empty() {
        let names: Vec<_> = words.iter().map(|(name, _)| *name).collect();
        list.fault("names no rule", &format!("give at least one of {}", names.join(", ")));
    }
    let mut kinds: Vec<RuleKind> = items.iter().filter_map(|item| item.word(&words)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    (!kinds.is_empty()).then_some(kinds)
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
