//! Replies and enhanced codes.
