use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

/// Every dictionary that was ever shipped, as it was shipped: rows need it to the last byte.
const SHIPPED: [(i32, &[u8], &str); 1] =
    [(1, include_bytes!("1.dictionary"), "78c2316bcea3d9be542d2efff497dacfc5da5966a85813efd233d15858845c51")];

/// As the first commits have packed, which knew no dictionary.
fn packed_without(body: &[u8]) -> PackedBody {
    PackedBody { dictionary: 0, zstd: zstd::bulk::compress(body, 1).unwrap() }
}

fn packed(body: &[u8]) -> PackedBody {
    pack(body).unwrap()
}

fn is_unreadable(dictionary: i32, zstd: &[u8]) -> bool {
    let body = PackedBody { dictionary, zstd: zstd.to_vec() };
    matches!(unpack(&body), Err(UnpackError::Unreadable(_)))
}

#[test]
fn shipped_dictionaries_are_never_changed() {
    assert_eq!(SHIPPED.map(|(id, ..)| id), DICTIONARIES.each_ref().map(|dictionary| dictionary.id));
    for (id, bytes, sha256) in SHIPPED {
        assert_eq!(hex::encode(Sha256::digest(bytes)), sha256, "dictionary {id}");
        // Magic number and id, as the format has them at its head.
        assert_eq!(bytes[..4], [0x37, 0xa4, 0x30, 0xec]);
        assert_eq!(bytes[4..8], id.to_le_bytes());
        let frame = EncoderDictionary::copy(bytes, 3);
        let zstd = Compressor::with_prepared_dictionary(&frame).unwrap().compress(b"body").unwrap();
        assert_eq!(unpack(&PackedBody { dictionary: id, zstd }).unwrap(), b"body");
    }
}

#[test]
fn new_bodies_are_packed_with_the_newest_dictionary() {
    let newest = SHIPPED.last().unwrap();
    assert_eq!((newest.0, newest.1), (NEWEST, NEWEST_BYTES));
    let body = include_bytes!("../../../benches/throughput/templates/invoice_paid.json");
    let packed = packed(body);
    assert_eq!(packed.dictionary, NEWEST);
    let without = packed_without(body).zstd.len();
    assert!(packed.zstd.len() * 3 < without * 2, "{} of {without} bytes", packed.zstd.len());
}

#[test]
fn a_body_of_a_newer_version_is_an_error_that_says_so() {
    for dictionary in [99, -1, i32::MIN, i32::MAX, NEWEST + 1] {
        let newer = PackedBody { dictionary, ..packed(b"{}") };
        let error = unpack(&newer).unwrap_err();
        assert!(matches!(error, UnpackError::UnknownDictionary(id) if id == dictionary));
        let telling = Telling::new(crate::domain::EventId::new("evt_1"), None);
        let told = error.of(&telling).to_string();
        assert!(told.contains(&format!("evt_1 holds \"dictionary {dictionary}\"")), "{told}");
        assert!(told.contains("this version does not know"), "{told}");
    }
}

#[test]
fn a_body_is_unpacked_up_to_the_largest_that_is_taken_and_not_beyond() {
    let largest = vec![b' '; MAX_BODY_BYTES];
    assert_eq!(unpack(&packed(&largest)).unwrap(), largest);
    let longer = [largest.as_slice(), b" "].concat();
    assert!(is_unreadable(1, &packed(&longer).zstd) && is_unreadable(0, &packed_without(&longer).zstd));
    // A frame that does not tell the length of what it holds.
    let mut silent = Compressor::new(1).unwrap();
    silent.include_contentsize(false).unwrap();
    let zstd = silent.compress(&largest).unwrap();
    assert_eq!(unpack(&PackedBody { dictionary: 0, zstd }).unwrap(), largest);
    assert!(is_unreadable(0, &silent.compress(&longer).unwrap()));
}

#[test]
fn a_frame_of_another_dictionary_is_an_error_and_no_other_body() {
    let body = include_bytes!("../../../benches/throughput/templates/invoice_paid.json");
    assert!(is_unreadable(0, &packed(body).zstd));
    // It needs no dictionary, so one does no harm.
    assert_eq!(unpack(&PackedBody { dictionary: 1, ..packed_without(body) }).unwrap(), body);
    let foreign = [&NEWEST_BYTES[..4], &7_i32.to_le_bytes(), &NEWEST_BYTES[8..]].concat();
    let foreign = EncoderDictionary::copy(&foreign, 3);
    let zstd = Compressor::with_prepared_dictionary(&foreign).unwrap().compress(body).unwrap();
    assert!(is_unreadable(1, &zstd));
}

/// Frames of older versions hold no checksum, and are not asked about here.
#[test]
fn a_frame_of_which_a_byte_was_damaged_is_an_error_or_the_same_body() {
    let body = include_bytes!("../../../benches/throughput/templates/invoice_paid.json");
    let packed = packed(body);
    let mut unreadable = 0_usize;
    for at in 0..packed.zstd.len() {
        for flipped in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff] {
            let mut damaged = packed.clone();
            damaged.zstd[at] ^= flipped;
            match unpack(&damaged) {
                Ok(unpacked) => assert_eq!(unpacked, body, "byte {at} with {flipped:#x}"),
                Err(_) => unreadable += 1,
            }
        }
    }
    // A bit of the header, and what the last one of a stream of bits leaves unused, mean nothing.
    assert!(packed.zstd.len() * 9 - unreadable < 20, "{unreadable} of {} are errors", packed.zstd.len() * 9);
}

#[test]
fn five_sales_of_the_benchmark_fit_a_page_of_sqlite() {
    let body = include_bytes!("../../../benches/throughput/templates/invoice_paid.json");
    let bytes = packed(body).zstd.len();
    // A fifth of 4 096 bytes, less the page's header and those of cell and record.
    assert!(bytes <= 805 - 25, "{bytes}");
}

#[test]
fn a_megabyte_of_anything_comes_back() {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    let noise: Vec<u8> = (0..1 << 20).map(|_| next()).collect();
    let text = include_bytes!("../../../benches/throughput/templates/charge_refunded.json").repeat(300);
    for body in [noise, text] {
        assert_eq!(unpack(&packed(&body)).unwrap(), body);
        assert_eq!(unpack(&packed_without(&body)).unwrap(), body);
    }
}

/// Bytes of any kind: noise, and pieces of JSON, of which the dictionary is made.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        "[ -~]{0,80}".prop_map(String::into_bytes),
        (0..NEWEST_BYTES.len(), 0..2_000_usize).prop_map(|(from, length)| NEWEST_BYTES
            .iter()
            .skip(from)
            .take(length)
            .copied()
            .collect()),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_is_packed_comes_back_with_and_without_a_dictionary(bodies in prop::collection::vec(bodies(), 1..4)) {
        // One after the other with the same contexts: nothing of one body is left for the next.
        for body in bodies {
            let (new, old) = (packed(&body), packed_without(&body));
            prop_assert!(!new.zstd.is_empty() && !old.zstd.is_empty());
            prop_assert_eq!(&unpack(&new).unwrap(), &body);
            prop_assert_eq!(&unpack(&old).unwrap(), &body);
        }
    }

    #[test]
    fn what_is_cut_off_is_an_error_and_so_is_noise(
        body in bodies(),
        cut in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 1..200),
    ) {
        for PackedBody { dictionary, zstd } in [packed(&body), packed_without(&body)] {
            let short = &zstd[..cut.index(zstd.len())];
            // Nothing at all is a body that was dropped, which is asked before it is unpacked.
            prop_assert!(short.is_empty() || is_unreadable(dictionary, short));
            // What begins with neither a magic number of zstd nor of what it skips.
            if !matches!(noise[0], 0x28 | 0x50..=0x5f) {
                prop_assert!(is_unreadable(dictionary, &noise));
                prop_assert!(is_unreadable(dictionary, &[zstd.as_slice(), &noise].concat()));
            }
        }
    }
}
