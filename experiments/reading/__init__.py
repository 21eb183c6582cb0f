"""A finding as JSON arrives; a page that a school board can read leaves, in Dutch and in English."""
