//! Names of logical clusters, as upstream's clients compute and check them.

use sha2::{Digest, Sha224};

/// Digits of base 36.
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
/// Characters of a random name.
const RANDOM: usize = 16;
/// Bytes of the digest that name a home.
const HOME: usize = 8;

/// A name that nobody else has drawn: 16 characters of a digest of random bytes.
pub fn random() -> String {
    let seed = [*uuid::Uuid::new_v4().as_bytes(), *uuid::Uuid::new_v4().as_bytes()].concat();
    let mut name = base36(&Sha224::digest(seed));
    name.truncate(RANDOM);
    name
}

/// The name of a user's home cluster.
pub fn home(user: &str) -> String {
    base36(&Sha224::digest(user.as_bytes())[..HOME])
}

/// A big-endian number in base 36, with a `0` for each leading zero byte.
fn base36(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    // Least significant digit first.
    let mut digits: Vec<u8> = Vec::new();
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            // Below 36 by the modulus.
            *digit = u8::try_from(carry % 36).unwrap_or_default();
            carry /= 36;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 36).unwrap_or_default());
            carry /= 36;
        }
    }
    let text = digits.iter().rev().map(|digit| char::from(DIGITS[usize::from(*digit)]));
    std::iter::repeat_n('0', zeros).chain(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kcp_apimachinery::names::LogicalClusterName;

    #[test]
    fn numbers_are_written_in_base_36_with_their_leading_zero_bytes() {
        assert_eq!(base36(&[0, 0, 35]), "00z");
        assert_eq!(base36(&[1, 0]), "74");
        assert_eq!(base36(&u64::MAX.to_be_bytes()), "3w5e11264sgsf");
        assert_eq!(base36(&[]), "");
    }

    #[test]
    fn a_random_name_is_one_of_a_logical_cluster() {
        let (one, other) = (random(), random());
        assert_ne!(one, other);
        assert_eq!(one.len(), RANDOM);
        assert!(LogicalClusterName::parse(&one).is_ok_and(|name| !name.is_path()));
    }

    #[test]
    fn a_home_is_named_by_its_user_alone() {
        assert_eq!(home("kcp-admin"), home("kcp-admin"));
        assert_ne!(home("kcp-admin"), home("user"));
    }
}
