"""What the mesh costs, against baselines that run on the same cores in the same run: `python -m bench [name…]`."""
