"""What happens to accepted runs when everything around them dies (`make chaos`)."""
