"""The module that the record is about, documented with figures that are checked: `archwright check examples/gqa`."""


class GroupedQueryAttention:
    """
    Attention whose query heads share keys and values in groups.

    Configuration:
    - n_query_heads: 32 heads (all of the query capacity)
    - n_kv_heads: 8 heads (4x fewer than with a KV head for every query head)

    Memory Analysis:
    - KV cache of one token, one layer: 8 heads * 128 * 2 * 2 bytes = 4 KiB (against 16 KiB for MHA)
    - At the full 32K context: 128 MiB (against 512 MiB for MHA), for all 32 layers 4.00 GiB

    Claims:
        base: architecture.yaml
        alternatives: {mha: {n_kv_heads: 32}}
        settings: {context: 32768, dtype: bf16}
        32 heads: n_heads
        8 heads: n_kv_heads
        4x fewer: n_kv_heads.mha->base
        4 KiB: kv_cache(context=1, per=layer)
        16 KiB: kv_cache(context=1, per=layer).mha
        128 MiB: kv_cache(per=layer)
        512 MiB: kv_cache(per=layer).mha
        32 layers: n_layers
        4.00 GiB: kv_cache

    See: docs/decisions/gqa_implementation.md for the whole analysis
    """
