"""Arrays in, arrays out: pruning, codebooks, relative indices, Huffman codes and bitstreams, on numpy alone."""
