//! Decimal numbers: exact sums and products of what floats look like.

use crate::template::go::value::Fault;

/// So many places behind the point does a quotient have.
const QUOTIENT_PLACES: i32 = 16;

/// A number as digits and a power of ten, or as a float where the digits do not suffice.
#[derive(Debug, Clone, Copy)]
pub enum Decimal {
    Exact { digits: i128, exponent: i32 },
    Rough(f64),
}

impl Decimal {
    /// The shortest decimal number that reads as this float.
    pub fn of(float: f64) -> Result<Self, Fault> {
        if !float.is_finite() {
            return Err(Fault::from("this is not a finite number"));
        }
        let text = format!("{float:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let places = mantissa.split_once('.').map_or(0, |(_, places)| places.len());
        let places = i32::try_from(places).unwrap_or(0);
        match (mantissa.replace('.', "").parse(), exponent.parse::<i32>()) {
            (Ok(digits), Ok(exponent)) => Ok(Self::Exact { digits, exponent: exponent - places }),
            _ => Ok(Self::Rough(float)),
        }
    }

    pub fn float(self) -> f64 {
        match self {
            Self::Exact { digits, exponent } => format!("{digits}e{exponent}").parse().unwrap_or_default(),
            Self::Rough(float) => float,
        }
    }

    /// The digits where the number counts in units of `10^exponent`.
    fn scaled(self, to: i32) -> Option<i128> {
        match self {
            Self::Exact { digits, exponent } => {
                let power = u32::try_from(exponent.checked_sub(to)?).ok()?;
                digits.checked_mul(10_i128.checked_pow(power)?)
            }
            Self::Rough(_) => None,
        }
    }

    fn exponent(self) -> i32 {
        match self {
            Self::Exact { exponent, .. } => exponent,
            Self::Rough(_) => 0,
        }
    }

    fn sum(self, other: Self, digits: fn(i128, i128) -> Option<i128>) -> Option<Self> {
        let exponent = self.exponent().min(other.exponent());
        let digits = digits(self.scaled(exponent)?, other.scaled(exponent)?)?;
        Some(Self::Exact { digits, exponent })
    }

    pub fn add(self, other: Self) -> Result<Self, Fault> {
        Ok(self.sum(other, i128::checked_add).unwrap_or_else(|| Self::Rough(self.float() + other.float())))
    }

    pub fn sub(self, other: Self) -> Result<Self, Fault> {
        Ok(self.sum(other, i128::checked_sub).unwrap_or_else(|| Self::Rough(self.float() - other.float())))
    }

    pub fn mul(self, other: Self) -> Result<Self, Fault> {
        let exact = match (self, other) {
            (Self::Exact { digits: a, exponent: e }, Self::Exact { digits: b, exponent: f }) => a
                .checked_mul(b)
                .zip(e.checked_add(f))
                .map(|(digits, exponent)| Self::Exact { digits, exponent }),
            _ => None,
        };
        Ok(exact.unwrap_or_else(|| Self::Rough(self.float() * other.float())))
    }

    pub fn div(self, by: Self) -> Result<Self, Fault> {
        if by.float() == 0.0 {
            return Err(Fault::from("nothing can be divided by zero"));
        }
        Ok(self.quotient(by).unwrap_or_else(|| Self::Rough(self.float() / by.float())))
    }

    fn quotient(self, by: Self) -> Option<Self> {
        // Both numbers in the same unit, the dividend finer by the places of the quotient.
        let unit = self.exponent().min(by.exponent());
        let dividend =
            self.scaled(unit)?.checked_mul(10_i128.checked_pow(QUOTIENT_PLACES.unsigned_abs())?)?;
        let divisor = by.scaled(unit)?;
        let (quotient, rest) = (dividend.checked_div(divisor)?, dividend.checked_rem(divisor)?);
        let away = rest.checked_abs()?.checked_mul(2)? >= divisor.checked_abs()?;
        let sign = if (dividend < 0) == (divisor < 0) { 1 } else { -1 };
        Some(Self::Exact { digits: quotient + if away { sign } else { 0 }, exponent: -QUOTIENT_PLACES })
    }
}
