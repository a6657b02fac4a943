"""The vision transformer of the benchmark."""

from tenuto.graphs import GraphBuilder

_WIDTH = 768
_N_HEADS = 12
_N_BLOCKS = 12


def vision_transformer(b: GraphBuilder, x: str) -> tuple[str, ...]:
    """ViT-B/32: patches of 32 pixels, hence 145 tokens at 384 pixels (the benchmark's position embedding has 145 rows).

    Source: Dosovitskiy et al., "An image is worth 16x16 words", 2021, table 1 (12 blocks, width 768, 12 heads).
    """
    x = b.conv(x, _WIDTH, 32, stride=32, padding=0)
    n, _, height, width = b.shape(x)
    tokens = b.transpose(b.reshape(x, n, _WIDTH, height * width), 0, 2, 1)
    tokens = _with_class_token(b, tokens)
    for _ in range(_N_BLOCKS):
        tokens = b.add(tokens, _attention(b, b.layer_norm(tokens)))
        hidden = b.linear(b.layer_norm(tokens), 4 * _WIDTH, activation="Gelu")
        tokens = b.add(tokens, b.linear(hidden, _WIDTH))
    first, _ = b.split(b.layer_norm(tokens), (1, height * width), axis=1)
    return (b.softmax(b.linear(b.reshape(first, n, _WIDTH), 1000)),)


def _with_class_token(b: GraphBuilder, tokens: str) -> str:
    # Stands for the learned token and position embedding: same shapes, same passes over memory, no constants.
    n_patches = b.shape(tokens)[1]
    first, _ = b.split(tokens, (1, n_patches - 1), axis=1)
    tokens = b.concat(first, tokens, axis=1)
    return b.add(tokens, tokens)


def _attention(b: GraphBuilder, tokens: str) -> str:
    n, n_tokens, _ = b.shape(tokens)
    depth = _WIDTH // _N_HEADS
    query, key, value = (b.reshape(b.linear(tokens, _WIDTH), n, n_tokens, _N_HEADS, depth) for _ in range(3))
    scores = b.matmul(b.transpose(query, 0, 2, 1, 3), b.transpose(key, 0, 2, 3, 1))
    mixed = b.matmul(b.softmax(scores), b.transpose(value, 0, 2, 1, 3))
    mixed = b.reshape(b.transpose(mixed, 0, 2, 1, 3), n, n_tokens, _WIDTH)
    return b.linear(mixed, _WIDTH)
