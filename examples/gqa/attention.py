"""The module that the record is about, as its authors document it; only the docstring matters here."""


class GroupedQueryAttention:
    """
    Attention whose query heads share keys and values in groups.

    Configuration:
    - n_query_heads: 32 (all of the query capacity)
    - n_kv_heads: 8 (4x fewer than the usual 32)

    Memory Analysis:
    - KV cache of one token: 8 * 128 * 2 * 2 bytes = 4KB (against 16KB for MHA)
    - At the full 32K context: 128MB (against 512MB for MHA)

    Quality Impact:
    - On our internal evaluation set: -0.3% accuracy
    - Felt mostly in tasks with long-range dependencies
    - Countered by more depth (40 layers vs 32)

    See: docs/decisions/gqa_implementation.md for the whole analysis
    """
