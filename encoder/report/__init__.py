"""What a person or a program reads afterwards: report.html, report.json, the ladder's plot.

Modules are imported by name (``encoder.report.html``, ``encoder.report.plot`` ...); importing this
package alone loads nothing.
"""
