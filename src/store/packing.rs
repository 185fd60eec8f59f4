//! The bodies of events as they are kept: zstd frames, made with a dictionary of what Stripe's events have in common.
//!
//! A row names the dictionary that its body needs (`event_payload.dictionary`), so a dictionary is needed as long as there are
//! such rows: new ones are added to `DICTIONARIES` under new ids by `scripts/train-dictionary`, and none is ever changed or
//! taken away. A frame names its dictionary, too: with another one it is an error, and not another body. So is a frame of which
//! a byte was damaged, because it holds a checksum of its body.

use std::cell::RefCell;
use std::io;
use std::sync::LazyLock;

use thiserror::Error;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

use super::error::{StoreError, corrupt};
use crate::domain::inbox::{MAX_BODY_BYTES, PackedBody, Telling};

/// Five bodies of this level fit into a page of SQLite's; those of level 1, a tenth longer, do not.
const COMPRESSION_LEVEL: i32 = 3;

const DICTIONARY_1: &[u8] = include_bytes!("packing/1.dictionary");

/// The dictionary of new bodies.
const NEWEST: i32 = 1;
const NEWEST_BYTES: &[u8] = DICTIONARY_1;

/// All dictionaries that rows may name; 0 is none.
static DICTIONARIES: [Dictionary; 1] =
    [Dictionary { id: 1, decoder: LazyLock::new(|| DecoderDictionary::try_copy(DICTIONARY_1).ok()) }];

struct Dictionary {
    id: i32,
    /// Prepared when the first body is unpacked; none when zstd could not, for want of memory.
    decoder: LazyLock<Option<DecoderDictionary<'static>>>,
}

/// The newest dictionary, prepared once for all threads.
static ENCODER: LazyLock<Option<EncoderDictionary<'static>>> =
    LazyLock::new(|| EncoderDictionary::try_copy(NEWEST_BYTES, COMPRESSION_LEVEL).ok());

thread_local! {
    /// The context of a compressor takes longer to make than an event takes to compress.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Decompressor<'static>> = RefCell::default();
}

/// Why a kept body cannot be read.
#[derive(Debug, Error)]
pub enum UnpackError {
    /// A newer version has packed it.
    #[error("dictionary {0}")]
    UnknownDictionary(i32),
    /// It is no frame of this dictionary, is cut off or damaged, or is longer than [`MAX_BODY_BYTES`].
    #[error("{0}")]
    Unreadable(#[from] io::Error),
}

impl UnpackError {
    /// The error of the row of this telling.
    pub fn of(&self, telling: &Telling) -> StoreError {
        corrupt("event_payload", telling, self)
    }
}

/// Packs a body for keeping, with the newest dictionary. The frame names its dictionary, holds the length and a checksum of the body, and
/// is never empty.
///
/// # Errors
/// An I/O error of the compressor, which can only be a lack of memory.
pub fn pack(body: &[u8]) -> io::Result<PackedBody> {
    let mut zstd = COMPRESSOR.with_borrow_mut(|compressor| match compressor {
        Some(compressor) => compressor.compress(body),
        None => compressor.insert(compressor_of_newest()?).compress(body),
    })?;
    // It waits in the queue, and was given the room that the worst of all bodies takes.
    zstd.shrink_to_fit();
    Ok(PackedBody { dictionary: NEWEST, zstd })
}

/// The body that was packed, at most [`MAX_BODY_BYTES`] long.
///
/// # Errors
/// [`UnpackError`] for a dictionary that this version does not know, and for what is no frame of it.
pub fn unpack(body: &PackedBody) -> Result<Vec<u8>, UnpackError> {
    let decoder = match body.dictionary {
        0 => None,
        id => {
            let dictionary = DICTIONARIES.iter().find(|dictionary| dictionary.id == id);
            let dictionary = dictionary.ok_or(UnpackError::UnknownDictionary(id))?;
            Some(dictionary.decoder.as_ref().ok_or_else(unprepared)?)
        }
    };
    Ok(DECOMPRESSOR.with_borrow_mut(|decompressor| {
        match decoder {
            Some(decoder) => decompressor.set_prepared_dictionary(decoder)?,
            None => decompressor.set_dictionary(&[])?,
        }
        decompressor.decompress(&body.zstd, MAX_BODY_BYTES)
    })?)
}

fn compressor_of_newest() -> io::Result<Compressor<'static>> {
    let mut compressor = Compressor::with_prepared_dictionary(ENCODER.as_ref().ok_or_else(unprepared)?)?;
    compressor.include_checksum(true)?;
    Ok(compressor)
}

fn unprepared() -> io::Error {
    io::Error::other("zstd could not prepare a dictionary")
}

#[cfg(test)]
mod tests;
