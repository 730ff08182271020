//! The digest of a terraform plan, which is the same for two plans with the same effect.

use crate::domain::id::Digest;

/// The members that differ between two plans with the same effect: the time of planning, and the
/// attributes that may explain drift, which terraform lists in random order.
const VOLATILE_MEMBERS: [&[u8]; 2] = [b"\"timestamp\":", b"\"relevant_attributes\":"];

/// Returns the digest of a JSON object without its white space and its volatile members, with the
/// other members sorted.
///
/// Nothing else inside a member is changed. Terraform sorts keys itself, and converting a number to
/// floating point would hide a change in its last digits.
pub(super) fn compute_digest(json: &[u8]) -> Digest {
    let mut members = split_members(json);
    members.retain(|member| !VOLATILE_MEMBERS.iter().any(|name| member.starts_with(name)));
    members.sort_unstable();
    let mut canonical = b"{".to_vec();
    canonical.extend(members.join(&b','));
    canonical.push(b'}');
    Digest::sha256(&canonical)
}

/// Splits a well-formed JSON object into its members, without white space.
fn split_members(json: &[u8]) -> Vec<Vec<u8>> {
    let (mut members, mut member) = (Vec::new(), Vec::new());
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for &byte in json {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            member.push(byte);
            continue;
        }
        if matches!(byte, b'}' | b']') {
            depth = depth.saturating_sub(1);
        }
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => {}
            b',' | b'}' if depth == usize::from(byte == b',') => {
                members.push(std::mem::take(&mut member));
            }
            b'{' if depth == 0 => {}
            _ => member.push(byte),
        }
        quoted = byte == b'"';
        if matches!(byte, b'{' | b'[') {
            depth += 1;
        }
    }
    members
}
