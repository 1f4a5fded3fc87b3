"""Figures of masks, drawn by matplotlib (extra ``plot``); `badpix_selfcal.plot` has them all."""
