"""What a G-code file says about its print: the space it needs, heat, tools, time, a picture."""
