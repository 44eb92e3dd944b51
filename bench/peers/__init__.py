"""Other people's codecs, one small class each, with the best settings known to us."""
