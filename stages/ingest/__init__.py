"""Turn folders, files, manifests and tars into clips with an identity."""
