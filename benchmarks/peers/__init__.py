"""Other runtimes and number formats for a dense model, each at the best settings that the benchmark knows.

ort_dynamic   onnxruntime, weights of Gemm and MatMul in 8 bits, activations quantized as they come
ort_static    onnxruntime, everything in 8 bits (QDQ), with the activations' ranges known
ort_4bit      onnxruntime, weights of Gemm and MatMul in 4 bits (MatMulNBits)
ov_f32        OpenVINO, restricted to float32
ov            OpenVINO at its default precision: bfloat16 where the processor has it
ov_int8       OpenVINO, everything in 8 bits by NNCF, with the activations' ranges known
ov_4bit       OpenVINO, weights in 4 bits by NNCF
ds            DeepSparse 1.8, which skips zeros, in float32
ds_int8       DeepSparse 1.8, weights of Gemm and MatMul in 8 bits, with the activations' ranges known

OpenVINO and NNCF come with the package's extra "peers"; DeepSparse gets an environment of its own, which is made in the
folder of the benchmark's models.
"""
