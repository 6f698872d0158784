"""The clip browser: every clip of a workspace as a picture, filtered, sorted and opened in a web page."""
