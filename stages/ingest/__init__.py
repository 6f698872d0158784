"""From folders, files, manifests and tars to clips with an identity."""
