//! Git's packets: a length of four hexadecimal digits, which includes the digits, then the bytes.
//! `0000` ends a section.

use std::io::{self, Read, Write};

use super::HookError;

/// The longest packet that git sends.
const MAX_PACKET_BYTES: usize = 65_520;

/// Reads one packet, without a newline at its end. Returns `None` at the end of a section.
pub(super) fn read_packet(from: &mut impl Read) -> Result<Option<Vec<u8>>, HookError> {
    let mut digits = [0; 4];
    from.read_exact(&mut digits)
        .map_err(HookError::Connection)?;
    let length = std::str::from_utf8(&digits)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let length = length.and_then(|text| usize::from_str_radix(text, 16).ok());
    match length {
        Some(0) => Ok(None),
        Some(length @ 4..=MAX_PACKET_BYTES) => {
            let mut bytes = vec![0; length - 4];
            from.read_exact(&mut bytes).map_err(HookError::Connection)?;
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
            Ok(Some(bytes))
        }
        _ => Err(HookError::Protocol("a packet has an impossible length")),
    }
}

/// Writes one packet. Cuts off what does not fit.
pub(super) fn write_packet(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let bytes = bytes.get(..MAX_PACKET_BYTES - 4).unwrap_or(bytes);
    write!(to, "{:04x}", bytes.len() + 4)?;
    to.write_all(bytes)
}

/// Ends a section.
pub(super) fn end_section(to: &mut impl Write) -> io::Result<()> {
    to.write_all(b"0000")?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets and the ends of sections survive a round trip.
    #[test]
    fn round_trip() {
        let mut bytes = Vec::new();
        write_packet(&mut bytes, b"ok refs/deploy/prod\n").unwrap();
        write_packet(&mut bytes, b"").unwrap();
        end_section(&mut bytes).unwrap();
        assert_eq!(&bytes[..4], b"0018");
        let mut rest = &bytes[..];
        assert_eq!(
            read_packet(&mut rest).unwrap().as_deref(),
            Some(&b"ok refs/deploy/prod"[..])
        );
        assert_eq!(read_packet(&mut rest).unwrap().as_deref(), Some(&b""[..]));
        assert_eq!(read_packet(&mut rest).unwrap(), None);
        assert!(matches!(
            read_packet(&mut rest),
            Err(HookError::Connection(_))
        ));
    }

    /// A false length is refused before anything is allocated, or runs into the end of the input.
    #[test]
    fn bad_lengths() {
        for bad in [
            &b"0001"[..],
            b"0002",
            b"0003",
            b"fffe",
            b"+005x",
            b"00g5x",
            b"-001",
        ] {
            assert!(
                matches!(read_packet(&mut &bad[..]), Err(HookError::Protocol(_))),
                "{bad:?}"
            );
        }
        assert!(matches!(
            read_packet(&mut &b"0009abc"[..]),
            Err(HookError::Connection(_))
        ));
    }
}
