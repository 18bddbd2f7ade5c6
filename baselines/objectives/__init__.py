"""What is trained together: networks, optimisers and their update. The trainer runs any of them."""
