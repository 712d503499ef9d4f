"""Where videos come from: folders, pictures in order, shards; and which frames of each make a clip."""
