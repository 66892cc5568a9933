//! `/openapi/v2` and `/openapi/v3`, assembled from fragments per kind.

pub mod built_in;
