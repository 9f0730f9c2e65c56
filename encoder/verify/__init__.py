"""Package -> Verdict: every rule that files alone can show, rule by rule."""
