"""Keys of a config.json that cannot change a causal language model: bookkeeping, generation, training, tokens."""

from __future__ import annotations

import re

_TEXT = """
    architectures auto_map transformers_version torch_dtype dtype use_cache _name_or_path name_or_path
    tokenizer_class tokenizer_name prefix problem_type finetuning_task task_specific_params id2label label2id num_labels
    classifier_dropout classifier_bias reduction output_attentions output_hidden_states output_scores
    output_router_logits return_dict return_dict_in_generate torchscript use_bfloat16 chunk_size_feed_forward
    tie_last_hidden_states gradient_checkpointing pretraining_tp use_flash_attention use_flash_attn flash_attention
    use_flash_attention_2 attn_implementation attention_implementation cache_implementation attention_softmax_in_fp32
    scale_attention_softmax_in_fp32 fused_softmax use_fused_rmsnorm use_fused_rope fuse_cross_entropy
    router_aux_loss_coef router_z_loss_coef aux_loss_alpha seq_aux router_jitter_noise input_jitter_noise
    moe_jitter_eps moe_loss_weight ep_size expert_parallel_size expert_capacity expert_capacity_factor
    num_nextn_predict_layers num_mtp_modules mtp_transformer_layers use_mtp mtp_loss_scaling_factor
    is_llama_config sequence_parallel_enabled selective_checkpoint_enabled move_model_to_device init_device verbose
    runner_max_sequence_length model_max_length onnx transformers.js_config use_return_dict is_composition
    do_sample temperature top_p top_k typical_p max_length min_length max_new_tokens num_beams num_beam_groups
    num_return_sequences repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size
    diversity_penalty early_stopping bad_words_ids suppress_tokens begin_suppress_tokens remove_invalid_values
    exponential_decay_length_penalty epsilon_cutoff eta_cutoff
    assistant_confidence_threshold assistant_lookbehind target_lookbehind num_assistant_tokens
    num_assistant_tokens_schedule encoder_repetition_penalty
    initializer_range initializer_factor init_std init_config init_method embedding_initializer_range mlp_initializer
    rescale_prenorm_residual z_loss_coefficient predict_special_tokens
"""
_NAMES = frozenset(_TEXT.split())

_PATTERNS = re.compile(
    r"""
    (?: .*_token_ids? | .*_token_index | .*_tokens_ids? | eos_ids? )      # tokens that mean something to a tokenizer
    | summary_.* | _attn_implementation.* | _experts_implementation.* | _commit_hash | unsloth_.* | neuron_?.*
    | .*_(?:dropout|pdrop) | dropout | dropout_rate | hidden_dropout_prob                    # training
    """,
    re.VERBOSE,
)


def is_harmless(name: str) -> bool:
    """Whether no class reads the key to decide on a weight, a shape or a result.

    >>> is_harmless("bos_token_id"), is_harmless("resid_pdrop"), is_harmless("attn_logit_softcapping")
    (True, True, False)
    """
    return name in _NAMES or _PATTERNS.fullmatch(name) is not None
