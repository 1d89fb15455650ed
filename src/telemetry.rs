//! Traces: what the daemon says while it runs, on stderr.
//!
//! `KENG_LOG` filters, as in `KENG_LOG=debug` or `KENG_LOG=info,keng::camera=trace`. Metrics are
//! `metrics`'s. Nothing here knows a secret: they are `ward::Secret`, which does not print.

use std::io;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The environment's variable with the filter.
pub const FILTER_ENV: &str = "KENG_LOG";

/// The filter where nobody sets one: the libraries' warnings, and all that people act upon. The
/// embedded broker's library calls every client that goes away an error; what ends the broker
/// itself is logged by us.
pub const FILTER: &str = "info,rumqttd=off,rumqttc=warn,retina=warn,sled=warn,ort=warn";

/// The way in which traces are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Plain,
    /// For machines: one JSON object a line.
    Json,
}

/// The reason why traces can't be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A filter that is none.
    #[error("{FILTER_ENV}={text:?} is no filter; write it like {FILTER:?}")]
    Filter {
        /// As it was given.
        text: String,
        /// The fault in it.
        source: tracing_subscriber::filter::ParseError,
    },
    /// Traces have been set up before.
    #[error("traces are set up already")]
    Twice(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Sets traces up for the process. `filter` is what `KENG_LOG` says, where it says anything.
///
/// # Errors
/// [`Error::Filter`] where the filter can't be read, [`Error::Twice`] at the second call.
pub fn init(format: Format, filter: Option<&str>) -> Result<(), Error> {
    let subscriber = subscriber(format, filter, io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(Error::Twice)
}

fn subscriber<W>(
    format: Format,
    filter: Option<&str>,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, Error>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let text = filter.filter(|text| !text.trim().is_empty()).unwrap_or(FILTER);
    let filter = EnvFilter::try_new(text)
        .map_err(|source| Error::Filter { text: text.to_owned(), source })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    Ok(match format {
        Format::Plain => Box::new(builder.with_ansi(false).finish()),
        Format::Json => Box::new(builder.json().with_current_span(true).finish()),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::Mutex;

    use crate::ward::Secret;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(format: Format, filter: Option<&str>) -> String {
        let page = Page::default();
        let writer = page.clone();
        let subscriber = subscriber(format, filter, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            let password = Secret::new("hunter2".to_owned());
            let span = tracing::info_span!("camera", id = "hem-42", ?password);
            let _inside = span.enter();
            tracing::info!(?password, "signs in");
            tracing::debug!("a detail");
        });
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_secret_in_a_span_or_an_event_does_not_print() {
        for format in [Format::Plain, Format::Json] {
            let text = written(format, None);
            assert!(text.contains("signs in") && text.contains("hem-42"), "{text}");
            assert!(text.contains("Secret(***)") && !text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = written(Format::Json, Some("debug"));
        assert_eq!(text.lines().count(), 2);
        for line in text.lines() {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(object["span"]["id"], "hem-42");
        }
    }

    #[test]
    fn a_filter_filters_and_an_empty_one_is_none() {
        assert_eq!(written(Format::Plain, Some("warn")), "");
        assert_eq!(written(Format::Plain, Some(" ")).lines().count(), 1);
        let error = subscriber(Format::Plain, Some("keng=lout"), io::sink).err().unwrap();
        assert!(error.to_string().contains("KENG_LOG=\"keng=lout\" is no filter"), "{error}");
    }
}
