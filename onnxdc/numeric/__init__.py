"""Arrays in, arrays out: pruning, codebooks, relative indices, Huffman codes and packets, on numpy alone."""
