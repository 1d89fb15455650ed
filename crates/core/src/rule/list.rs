//! The macro behind the list of rules: it makes all that goes over the rules, by plain calls that
//! the compiler can inline.

/// Makes of the list a camera's configuration and state, the sections of the file, the lines of
/// `keng check`, and which rule tells which kind of event.
///
/// Of each rule it takes the section of the file, the title in `keng check`, the kinds that it
/// tells, the class of detections that it sees, its configuration with its default, and its state
/// with how that begins.
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
            pub zones: Vec<$crate::rule::zone::Zone>,
        }

        impl Default for Config {
            fn default() -> Self {
                Self { $( $section: $default, )+ zones: Vec::new() }
            }
        }

        impl Config {
            /// All rules' sections with their keys, in the list's order.
            pub fn sections(&mut self) -> Vec<(&'static str, Vec<$crate::rule::key::RuleKey<'_>>)> {
                use $crate::rule::key::Keyed as _;
                vec![$( (stringify!($section), self.$section.keys()), )+]
            }

            /// All rules by their titles, with a line of what holds for each.
            pub fn describe(&self) -> Vec<(&'static str, String)> {
                vec![$( ($title, self.$section.describe()), )+]
            }

            /// The least confidence of detections of `class` that are of use to any rule.
            pub fn confidence_min(&self, class: $crate::detection::Class) -> f32 {
                let mut least = f32::INFINITY;
                $( if $class == Some(class) {
                    least = self.$section.confidence_min().map_or(least, |min| min.min(least));
                } )+
                least
            }

            /// Tells whether any rule would make something of `class` at `at`.
            fn wants(
                &self,
                class: $crate::detection::Class,
                timezone: &jiff::tz::TimeZone,
                at: $crate::time::Stamp,
            ) -> bool {
                false $( || $class == Some(class) && self.$section.wants(timezone, at) )+
            }
        }

        impl $crate::rule::kind::RuleKind {
            /// The section of the rule that tells it, as the file and zones name it.
            pub fn section(self) -> &'static str {
                match self { $( $( Self::$kind )|+ => stringify!($section), )+ }
            }
        }

        /// The states of all rules on one camera.
        #[derive(Clone, Debug)]
        struct States { $( $section: $state, )+ }

        impl States {
            /// Nothing was seen yet; the watch begins at `now`.
            fn new(now: $crate::time::Stamp) -> Self {
                Self { $( $section: States::begun($begin, now), )+ }
            }

            fn begun<S>(begin: fn($crate::time::Stamp) -> S, now: $crate::time::Stamp) -> S {
                begin(now)
            }

            /// Lets each rule observe it.
            fn observe(
                &mut self,
                config: &Config,
                observation: $crate::rule::contract::Observation<'_>,
                context: &$crate::rule::contract::RuleContext<'_>,
            ) -> Vec<$crate::rule::event::UnattributedEvent> {
                let mut events = Vec::new();
                $( self.$section.observe(&config.$section, observation, context, &mut events); )+
                events
            }

            /// Lets each rule know that time has passed.
            fn tick(
                &mut self,
                config: &Config,
                at: $crate::time::Stamp,
            ) -> Vec<$crate::rule::event::UnattributedEvent> {
                let mut events = Vec::new();
                $( self.$section.tick(&config.$section, at, &mut events); )+
                events
            }

            /// Stops each rule.
            fn stop(
                &mut self,
                at: $crate::time::Stamp,
            ) -> Vec<$crate::rule::event::UnattributedEvent> {
                let mut events = Vec::new();
                $( self.$section.stop(at, &mut events); )+
                events
            }

            /// Dismisses what the rule that tells `kind` has found in `bbox`.
            fn dismiss(
                &mut self,
                kind: $crate::rule::kind::RuleKind,
                bbox: $crate::geometry::BoundingBox,
                at: $crate::time::Stamp,
            ) {
                use $crate::rule::kind::RuleKind;
                match kind { $( $( RuleKind::$kind )|+ => self.$section.dismiss(bbox, at), )+ }
            }

            /// Tells whether any rule has an event that goes on in the street.
            fn has_event(&self) -> bool {
                false $( || self.$section.has_event() )+
            }

            /// Tells whether any rule suspects something.
            fn suspects(&self) -> bool {
                false $( || self.$section.suspects() )+
            }

            /// Tells whether any rule has glimpsed something in the frame of `at`.
            fn glimpses(&self, at: $crate::time::Stamp) -> bool {
                false $( || self.$section.glimpses(at) )+
            }
        }
    };
}

pub(super) use rules;
