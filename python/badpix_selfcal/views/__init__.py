"""What pages and figures show of a mask: pixels, cuts and regions, without bokeh or matplotlib."""
