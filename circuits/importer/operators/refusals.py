"""Operators that have no meaning in a circuit, each with the reason."""

from circuits.importer.handlers import refuse

refuse(
    "it trains a model, and a circuit only runs one: export the model for inference",
    *("Adagrad", "Adam", "Momentum", "Gradient"),
    domain="ai.onnx.preview.training",
)
refuse(
    "it draws random numbers, and a circuit gives the same answer each time: draw them outside, as an input",
    *("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"),
)
refuse(
    "it works on strings, which are no numbers: encode the text outside and make the numbers an input",
    *("RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit"),
)
refuse("it decodes an image file: decode it outside and make the pixels an input", "ImageDecoder")
