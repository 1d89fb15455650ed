//! Whatever a container's access units look like, out come Annex B ones with parameter sets.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::context::{Output, StreamIo};

use crate::camera::Codec;
use crate::camera::nal;

/// Parameter sets as NAL units without start codes: VPS (H.265 only), SPS, PPS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterSets {
    /// H.265's video parameter sets.
    pub vps: Vec<Vec<u8>>,
    /// Sequence parameter sets.
    pub sps: Vec<Vec<u8>>,
    /// Picture parameter sets.
    pub pps: Vec<Vec<u8>>,
}

impl ParameterSets {
    /// Returns whether a decoder can start with them.
    pub fn is_complete(&self, codec: Codec) -> bool {
        let vps = codec == Codec::H264 || !self.vps.is_empty();
        vps && !self.sps.is_empty() && !self.pps.is_empty()
    }

    /// Notes the sets in `unit`; where it is a key frame without any, puts the last ones before it.
    pub(super) fn complete(&mut self, codec: Codec, key: bool, unit: Vec<u8>) -> Vec<u8> {
        let mut found = Self::default();
        for nal in nal::units(&unit) {
            let kind = match (codec, nal[0]) {
                (Codec::H264, header) => header & 0x1f,
                (Codec::H265, header) => (header >> 1) & 0x3f,
            };
            match (codec, kind) {
                (Codec::H265, 32) => found.vps.push(nal.to_vec()),
                (Codec::H264, 7) | (Codec::H265, 33) => found.sps.push(nal.to_vec()),
                (Codec::H264, 8) | (Codec::H265, 34) => found.pps.push(nal.to_vec()),
                _ => {}
            }
        }
        let inline = !found.sps.is_empty();
        for (known, new) in
            [(&mut self.vps, found.vps), (&mut self.sps, found.sps), (&mut self.pps, found.pps)]
        {
            if !new.is_empty() {
                *known = new;
            }
        }
        if !key || inline {
            return unit;
        }
        let mut whole = Vec::with_capacity(unit.len() + 256);
        for set in self.vps.iter().chain(&self.sps).chain(&self.pps) {
            whole.extend_from_slice(&[0, 0, 0, 1]);
            whole.extend_from_slice(set);
        }
        whole.extend_from_slice(&unit);
        whole
    }
}

/// FFmpeg's muxer of raw streams, writing into memory. It turns length prefixes into start codes
/// and puts the container's parameter sets before key frames.
pub(super) struct AnnexB {
    output: Output,
    sink: Sink,
}

impl AnnexB {
    pub(super) fn new(
        codec: Codec,
        parameters: ffmpeg::codec::Parameters,
    ) -> Result<Self, ffmpeg::Error> {
        let format = match codec {
            Codec::H264 => "h264",
            Codec::H265 => "hevc",
        };
        let sink = Sink::default();
        let io = StreamIo::from_write(sink.clone())?;
        let mut output = ffmpeg::format::output_to_stream(io, None, Some(format))?;
        output.add_stream(ffmpeg::codec::Id::None)?.set_parameters(parameters);
        let mut options = ffmpeg::Dictionary::new();
        // So that one packet in is one access unit out.
        options.set("flush_packets", "1");
        drop(output.write_header_with(options)?);
        Ok(Self { output, sink })
    }

    pub(super) fn convert(
        &mut self,
        packet: &mut ffmpeg::Packet,
    ) -> Result<Vec<u8>, ffmpeg::Error> {
        packet.set_stream(0);
        let written = packet.write(&mut self.output);
        let unit = self.sink.take();
        written.map(|_| unit)
    }
}

/// The muxer's end of the pipe; what it wrote is taken at the other end. One thread uses both.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
