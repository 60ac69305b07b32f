"""Arrays in, arrays out: pruning, codebooks, relative indices, Huffman codes and bitstreams on numpy and scipy alone."""
