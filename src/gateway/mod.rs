//! Gateways: how each of them asks, and what it can make of an answer.
