//! Faults that the test camera makes on purpose. Pure.

use std::str::FromStr;
use std::time::Duration;

/// Everything that a mount does wrong; by default nothing.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct InjectedFault {
    /// `drop=0.01`: share of RTP packets that are lost.
    pub drop: f64,
    /// `corrupt=0.01`: share of RTP packets with one wrong byte.
    pub corrupt: f64,
    /// `stall-after=10s`: so long after PLAY nothing more is sent; the connection stays.
    pub stall_after: Option<Duration>,
    /// `close-after=10s`: so long after PLAY the connection is cut.
    pub close_after: Option<Duration>,
    /// `refuse=0.5`: share of connections that are cut at their first request.
    pub refuse: f64,
    /// `status=404`, `html`, `garbage`, `half-open`: what stands for every answer.
    pub answer: ScriptedAnswer,
    /// `slow-describe=5s`: so late is the answer to DESCRIBE.
    pub slow_describe: Option<Duration>,
    /// `no-video`: sound alone.
    pub no_video: bool,
    /// `fps-lie=2.0`: tells so many times its frame rate, in the description and in timestamps.
    pub fps_lie: Option<f64>,
    /// `resolution-switch`: at each end of a clip the mount's next clip follows.
    pub resolution_switch: bool,
}

/// The answer that replaces every other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ScriptedAnswer {
    /// The true answer.
    #[default]
    Proper,
    /// This status; 401 whatever the password.
    Status(u16),
    /// A web page.
    Html,
    /// Random bytes.
    Garbage,
    /// Nothing, ever.
    Silence,
}

/// A reason for which a text describes no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A name that is no fault's.
    #[error(
        "no fault is called {0:?}; there are drop=, corrupt=, refuse= (0 to 1), stall-after=, \
         close-after=, slow-describe= (as 10s or 500ms), status= (300 to 599), html, garbage, \
         half-open, no-video, fps-lie=, resolution-switch"
    )]
    Unknown(String),
    /// A value that does not fit.
    #[error("the fault {name} wants {wanted}, not {found:?}")]
    Value {
        /// The fault.
        name: String,
        /// The value that it takes.
        wanted: &'static str,
        /// The value that was given.
        found: String,
    },
}

impl FromStr for InjectedFault {
    type Err = Error;

    /// Several faults are separated by commas.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut fault = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim())),
                None => (part, None),
            };
            fault.set(&Setting { name, value })?;
        }
        Ok(fault)
    }
}

impl InjectedFault {
    fn set(&mut self, setting: &Setting<'_>) -> Result<(), Error> {
        match setting.name {
            "drop" => self.drop = setting.share()?,
            "corrupt" => self.corrupt = setting.share()?,
            "refuse" => self.refuse = setting.share()?,
            "stall-after" => self.stall_after = Some(setting.duration()?),
            "close-after" => self.close_after = Some(setting.duration()?),
            "slow-describe" => self.slow_describe = Some(setting.duration()?),
            "status" => self.answer = ScriptedAnswer::Status(setting.status()?),
            "html" => self.answer = setting.plain(ScriptedAnswer::Html)?,
            "garbage" => self.answer = setting.plain(ScriptedAnswer::Garbage)?,
            "half-open" => self.answer = setting.plain(ScriptedAnswer::Silence)?,
            "no-video" => self.no_video = setting.plain(true)?,
            "resolution-switch" => self.resolution_switch = setting.plain(true)?,
            "fps-lie" => self.fps_lie = Some(setting.factor()?),
            other => return Err(Error::Unknown(other.to_owned())),
        }
        Ok(())
    }
}

struct Setting<'a> {
    name: &'a str,
    value: Option<&'a str>,
}

impl Setting<'_> {
    fn wanted(&self, wanted: &'static str) -> Error {
        let found = self.value.unwrap_or_default().to_owned();
        Error::Value { name: self.name.to_owned(), wanted, found }
    }

    fn number(&self) -> Option<f64> {
        self.value.and_then(|value| value.parse().ok())
    }

    fn share(&self) -> Result<f64, Error> {
        self.number()
            .filter(|share| (0.0..=1.0).contains(share))
            .ok_or_else(|| self.wanted("a share from 0 to 1"))
    }

    fn factor(&self) -> Result<f64, Error> {
        self.number()
            .filter(|factor| (0.01..=100.0).contains(factor))
            .ok_or_else(|| self.wanted("a factor from 0.01 to 100"))
    }

    fn status(&self) -> Result<u16, Error> {
        self.value
            .and_then(|value| value.parse().ok())
            .filter(|status| (300..600).contains(status))
            .ok_or_else(|| self.wanted("a status from 300 to 599"))
    }

    fn duration(&self) -> Result<Duration, Error> {
        let seconds = self.value.and_then(|value| {
            let (number, unit) = match value.strip_suffix("ms") {
                Some(number) => (number, 0.001),
                None => (value.strip_suffix('s')?, 1.0),
            };
            number.parse::<f64>().ok().map(|number| number * unit)
        });
        seconds
            .filter(|seconds| (0.0..=86_400.0).contains(seconds))
            .map(Duration::from_secs_f64)
            .ok_or_else(|| self.wanted("a time as 10s or 500ms, a day at most"))
    }

    fn plain<T>(&self, meaning: T) -> Result<T, Error> {
        match self.value {
            None => Ok(meaning),
            Some(_) => Err(self.wanted("no value")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn several_faults_are_joined_by_commas() {
        let fault: InjectedFault =
            "drop=0.01, stall-after=10s,slow-describe=500ms,no-video".parse().unwrap();
        let expected = InjectedFault {
            drop: 0.01,
            stall_after: Some(Duration::from_secs(10)),
            slow_describe: Some(Duration::from_millis(500)),
            no_video: true,
            ..InjectedFault::default()
        };
        assert_eq!(fault, expected);
        assert_eq!("".parse(), Ok(InjectedFault::default()));
    }

    #[test]
    fn every_answer_is_parsed_by_its_word() {
        let cases = [
            ("status=404", ScriptedAnswer::Status(404)),
            ("html", ScriptedAnswer::Html),
            ("garbage", ScriptedAnswer::Garbage),
            ("half-open", ScriptedAnswer::Silence),
        ];
        for (text, answer) in cases {
            assert_eq!(text.parse::<InjectedFault>().unwrap().answer, answer);
        }
    }

    #[test]
    fn invalid_faults_are_reported() {
        let cases = [
            ("drop=2", "the fault drop wants a share from 0 to 1, not \"2\""),
            ("drop", "the fault drop wants a share from 0 to 1, not \"\""),
            (
                "stall-after=10",
                "the fault stall-after wants a time as 10s or 500ms, a day at most, not \"10\"",
            ),
            ("status=20", "the fault status wants a status from 300 to 599, not \"20\""),
            ("html=1", "the fault html wants no value, not \"1\""),
            ("fps-lie=NaN", "the fault fps-lie wants a factor from 0.01 to 100, not \"NaN\""),
        ];
        for (text, message) in cases {
            assert_eq!(text.parse::<InjectedFault>().unwrap_err().to_string(), message);
        }
        let unknown = "flood".parse::<InjectedFault>().unwrap_err().to_string();
        assert!(unknown.starts_with("no fault is called \"flood\"; there are drop="));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z0-9=.,sm-]{0,40}") {
            drop(text.parse::<InjectedFault>());
        }
    }
}
