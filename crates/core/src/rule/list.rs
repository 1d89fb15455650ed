//! The list of rules. Whatever goes over all rules is made of it: a camera's configuration and
//! state, the sections of the file, `keng check`, which rule tells which kind of event.

use crate::detection::Class;
use crate::geometry::BoundingBox;
use crate::rule::burning::Burning;
use crate::rule::burning::BurningConfig;
use crate::rule::contract::Observation;
use crate::rule::contract::Rule;
use crate::rule::contract::RuleConfig;
use crate::rule::contract::RuleContext;
use crate::rule::event::Draft;
use crate::rule::health::Health;
use crate::rule::health::HealthConfig;
use crate::rule::key::Keyed;
use crate::rule::key::RuleKey;
use crate::rule::kind::RuleKind;
use crate::rule::loitering::Loitering;
use crate::rule::loitering::LoiteringConfig;
use crate::rule::zone::Zone;
use crate::time::Stamp;

/// Makes all that goes over the rules, by plain calls that the compiler can inline.
macro_rules! rules {
    ($(
        $(#[$doc:meta])*
        $section:ident {
            titled: $title:literal,
            tells: [$($kind:ident),+],
            sees: $class:expr,
            config: $config:ident = $default:expr,
            state: $state:ident = $begin:expr,
        }
    )+) => {
        /// The rules of one camera, by their sections of the file.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config {
            $( $(#[$doc])* pub $section: $config, )+
            /// Named parts of the view; a rule that no zone names looks at the whole view.
            pub zones: Vec<Zone>,
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $( $section: $default, )+ zones: Vec::new() }
            }
        }

        impl Config {
            /// All rules' sections with their keys, in the list's order.
            pub fn sections(&mut self) -> Vec<(&'static str, Vec<RuleKey<'_>>)> {
                vec![$( (stringify!($section), self.$section.keys()), )+]
            }

            /// All rules by their titles, with a line of what holds for each.
            pub fn describe(&self) -> Vec<(&'static str, String)> {
                vec![$( ($title, self.$section.describe()), )+]
            }

            /// The least confidence of detections of `class` that are of use to any rule.
            pub fn confidence_min(&self, class: Class) -> f32 {
                let mut least = f32::INFINITY;
                $( if $class == Some(class) {
                    least = self.$section.confidence_min().map_or(least, |min| min.min(least));
                } )+
                least
            }

            /// Tells whether any rule would make something of `class` at `at`.
            pub(super) fn wants(
                &self,
                class: Class,
                timezone: &jiff::tz::TimeZone,
                at: Stamp,
            ) -> bool {
                false $( || $class == Some(class) && self.$section.wants(timezone, at) )+
            }
        }

        impl RuleKind {
            /// The section of the rule that tells it, as the file and zones name it.
            pub fn section(self) -> &'static str {
                match self { $( $( Self::$kind )|+ => stringify!($section), )+ }
            }
        }

        /// The states of all rules on one camera.
        #[derive(Clone, Debug)]
        pub(super) struct States { $( pub(super) $section: $state, )+ }

        impl States {
            /// Nothing was seen yet; the watch begins at `now`.
            pub(super) fn new(now: Stamp) -> Self {
                Self { $( $section: States::begun($begin, now), )+ }
            }

            fn begun<S>(begin: fn(Stamp) -> S, now: Stamp) -> S {
                begin(now)
            }

            /// Lets each rule observe it.
            pub(super) fn observe(
                &mut self,
                config: &Config,
                observation: Observation<'_>,
                context: &RuleContext<'_>,
            ) -> Vec<Draft> {
                let mut events = Vec::new();
                $( self.$section.observe(&config.$section, observation, context, &mut events); )+
                events
            }

            /// Lets each rule know that time has passed.
            pub(super) fn tick(&mut self, config: &Config, at: Stamp) -> Vec<Draft> {
                let mut events = Vec::new();
                $( self.$section.tick(&config.$section, at, &mut events); )+
                events
            }

            /// Stops each rule.
            pub(super) fn stop(&mut self, at: Stamp) -> Vec<Draft> {
                let mut events = Vec::new();
                $( self.$section.stop(at, &mut events); )+
                events
            }

            /// Dismisses what the rule that tells `kind` has found in `bbox`.
            pub(super) fn dismiss(&mut self, kind: RuleKind, bbox: BoundingBox, at: Stamp) {
                match kind { $( $( RuleKind::$kind )|+ => self.$section.dismiss(bbox, at), )+ }
            }

            /// Tells whether any rule has an event that goes on in the street.
            pub(super) fn has_event(&self) -> bool {
                false $( || self.$section.has_event() )+
            }

            /// Tells whether any rule suspects something.
            pub(super) fn suspects(&self) -> bool {
                false $( || self.$section.suspects() )+
            }

            /// Tells whether any rule has glimpsed something in the frame of `at`.
            pub(super) fn glimpses(&self, at: Stamp) -> bool {
                false $( || self.$section.glimpses(at) )+
            }
        }
    };
}

// A new rule: its folder, its kinds in `kind.rs`, and its entry here. Of each rule: the section of
// the file, the row of `keng check`, the kinds that it tells, the class of detections that it
// sees, its configuration with its default, and its state with how that begins.
rules! {
    /// Fire.
    fire {
        titled: "fire",
        tells: [Fire],
        sees: Some(Class::Fire),
        config: BurningConfig = BurningConfig::default(),
        state: Burning = |_| Burning::new(Class::Fire),
    }
    /// Smoke.
    smoke {
        titled: "smoke",
        tells: [Smoke],
        sees: Some(Class::Smoke),
        config: BurningConfig = BurningConfig::smoke(),
        state: Burning = |_| Burning::new(Class::Smoke),
    }
    /// Loitering.
    loitering {
        titled: "loitering",
        tells: [Loitering],
        sees: Some(Class::Person),
        config: LoiteringConfig = LoiteringConfig::default(),
        state: Loitering = |_| Loitering::default(),
    }
    /// Offline, frozen, blinded, a wrong clock.
    camera {
        titled: "health",
        tells: [Offline, Frozen, Blinded, Clock],
        sees: None::<Class>,
        config: HealthConfig = HealthConfig::default(),
        state: Health = Health::new,
    }
}

impl Config {
    /// The keys of one rule's section; none where there is no such section.
    pub fn section(&mut self, section: &str) -> Vec<RuleKey<'_>> {
        let found = self.sections().into_iter().find(|(name, _)| *name == section);
        found.map(|(_, keys)| keys).unwrap_or_default()
    }
}
