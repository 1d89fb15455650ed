//! `[incident]` and `[siren]`: how loudly, and how often, people are called.

use std::time::Duration;

use crate::incident::Policy;
use crate::incident::SirenPolicy;
use crate::ward::Coordinates;
use crate::ward::Id;
use crate::ward::KhuPho;
use crate::ward::Team;

use super::reader::Section;
use super::rules;
use super::values;

/// Returns what holds without `[incident]` and `[siren]`.
pub(super) fn defaults() -> Policy {
    Policy {
        escalate_after: Some(Duration::from_secs(180)),
        alerts_per_hour_max: Some(30),
        siren: None,
    }
}

/// `[incident]` and `[siren]`. `ward` is where the sun sets.
pub(super) fn read(root: &Section<'_>, known: &[KhuPho], ward: Option<Coordinates>) -> Policy {
    let mut policy = defaults();
    if let Some(section) = root.section("incident") {
        if let Some(after) = section.item("escalate_after_s").and_then(|i| i.seconds(86_400)) {
            policy.escalate_after = Some(after);
        }
        let most = section.item("alerts_per_hour_max");
        if let Some(most) = most.and_then(|i| i.number(1..=1000, " (alerts)")) {
            policy.alerts_per_hour_max = Some(most);
        }
        section.finish();
    }
    if let Some(section) = root.section("siren") {
        let enabled = section.item("enabled").and_then(|item| item.boolean()).unwrap_or(false);
        let siren = siren(&section, known, ward);
        if enabled && siren.khu_pho.is_empty() {
            section.fault("no khu phố has a siren", "add khu_pho = [\"…\"], or enabled = false");
        }
        policy.siren = enabled.then_some(siren);
        section.finish();
    }
    policy
}

fn siren(section: &Section<'_>, known: &[KhuPho], ward: Option<Coordinates>) -> SirenPolicy {
    let after = section.item("after_s").and_then(|item| item.seconds(3600));
    let longest = section.item("seconds_max").and_then(|i| i.number(1..=600, " (seconds)"));
    let exercise = section.item("exercise").and_then(|item| item.boolean());
    SirenPolicy {
        khu_pho: khu_pho(section, known),
        after: after.unwrap_or(Duration::from_secs(60)),
        seconds_max: longest.unwrap_or(60),
        quiet: section.item("quiet").and_then(|item| rules::night(&item, ward)),
        exercise: exercise.unwrap_or(false),
    }
}

fn khu_pho(section: &Section<'_>, known: &[KhuPho]) -> Vec<Id> {
    let items = section.item("khu_pho").and_then(|item| item.items()).unwrap_or_default();
    let mut found = Vec::new();
    for item in items {
        let Some(id) = values::id(&item) else { continue };
        if known.iter().any(|khu_pho| khu_pho.id == id) {
            found.push(id);
        } else {
            let remedy = format!("add [[khu_pho]] with id = \"{id}\", or correct it");
            item.absence(format!("there is no khu_pho {id}"), &remedy);
        }
    }
    found
}

/// `team = { name = "…", phone = "…" }` of a khu phố.
pub(super) fn team(section: &Section<'_>) -> Option<Team> {
    let team = section.section("team")?;
    let name = team.required("name", "say who goes and looks").and_then(|item| item.text());
    let phone = team.item("phone").and_then(|item| item.text()).map(str::to_owned);
    team.finish();
    Some(Team { name: name?.to_owned(), phone })
}
