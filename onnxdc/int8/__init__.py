"""Models whose weights are int8, as onnxruntime runs them: made of a model, its integers and the ranges of its tensors.

Static layers are quantized by onnxruntime's own quantizer, which places QuantizeLinear and DequantizeLinear; what it
took for integers of weights and biases is replaced by better ones. Dynamic layers find the range of their inputs when
they run. Tables give out integers, which are dequantized after rows are taken.
"""
