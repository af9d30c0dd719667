"""The flights story: predict the minutes in the air, and notice when the winter winds end."""
