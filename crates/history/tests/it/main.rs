//! A recorded history of nodes under faults has no violation.
