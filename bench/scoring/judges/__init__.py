"""Judges: the segmentation networks behind the FCN score.

Networks that are trained here: `fcn_small`, `fcn_lite0`, `fcn8s`; `trained` finds or trains them, `at_px`
gives them a resolution of their own. Others' networks: `external_*` and `paper_fcn`. `on_real_photos`
checks a judge before use, `fitness` says from records whether it tells real photos from a variant's,
`faults` spoils photos by known amounts.
"""
