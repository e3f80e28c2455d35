//! DER, as much of it as an RSA private key needs: X.690 sections 8.1 and 8.3, RFC 8017 appendix A.1.2.

use zeroize::Zeroizing;

pub(super) const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 2;

/// The PKCS#1 form of the numbers n, e, d, p, q, dp, dq and qi, each big-endian.
pub(super) fn rsa_private_key<N: AsRef<[u8]>>(numbers: &[N; 8]) -> Zeroizing<Vec<u8>> {
    let version = integer(&[0]);
    let numbers: Vec<_> = numbers.iter().map(|number| integer(number.as_ref())).collect();
    let members: Vec<&[u8]> = std::iter::once(&version).chain(&numbers).map(|member| member.as_slice()).collect();
    der(SEQUENCE, &members)
}

/// As short as it can be; the first bit is the sign.
pub(super) fn integer(number: &[u8]) -> Zeroizing<Vec<u8>> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = &number[zeros..];
    let is_positive = number.first().is_some_and(|byte| byte & 0x80 == 0);
    der(INTEGER, &[if is_positive { &[] } else { &[0] }, number])
}

/// Tag, length, content.
pub(super) fn der(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let content: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(content + 10));
    out.push(tag);
    match u8::try_from(content) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let length = content.to_be_bytes();
            let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
            out.extend(u8::try_from(length.len()).map(|bytes| 0x80 | bytes));
            out.extend(length);
        }
    }
    for part in parts {
        out.extend(*part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_integer_has_one_form() {
        for (number, expected) in [
            (&[][..], &[2, 1, 0][..]),
            (&[0], &[2, 1, 0]),
            (&[1], &[2, 1, 1]),
            (&[0x7f], &[2, 1, 0x7f]),
            (&[0x80], &[2, 2, 0, 0x80]),
            (&[0, 0, 0x80, 1], &[2, 3, 0, 0x80, 1]),
            (&[1, 0, 1], &[2, 3, 1, 0, 1]),
        ] {
            assert_eq!(integer(number).as_slice(), expected, "{number:?}");
        }
    }

    #[test]
    fn a_length_takes_no_more_bytes_than_it_must() {
        for (length, expected) in [
            (0, &[4, 0][..]),
            (0x7f, &[4, 0x7f]),
            (0x80, &[4, 0x81, 0x80]),
            (0xff, &[4, 0x81, 0xff]),
            (0x100, &[4, 0x82, 1, 0]),
            (0x1_0000, &[4, 0x83, 1, 0, 0]),
        ] {
            let content = vec![7; length];
            let (half, rest) = content.split_at(length / 2);
            let encoded = der(4, &[half, rest]);
            assert_eq!(&encoded[..expected.len()], expected, "{length}");
            assert_eq!(encoded[expected.len()..], content, "{length}");
        }
    }
}
