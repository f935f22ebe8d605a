"""One normal distribution, by Bayes' rule: conjugate posteriors in closed form.

========================  =======================  =========================================
class                     unknown                  prior and posterior
========================  =======================  =========================================
`NormalMean`              the mean                 normal
`Normal`                  mean and variance        normal-inverse-gamma
`MultivariateNormal`      mean and covariance      normal-inverse-Wishart
========================  =======================  =========================================

A prior is a posterior that has seen no data: both are the same record, and `update` gives a new
one. Gelman, Carlin, Stern, Dunson, Vehtari & Rubin (2013), Bayesian Data Analysis, sections 2.5,
3.2, 3.3 and 3.6; Murphy (2007), Conjugate Bayesian analysis of the Gaussian distribution, sections
2, 5, 6 and 9.
"""

from __future__ import annotations

from ellimix.bayes.answers import (
    Estimate,
    Interval,
    MultivariateEstimate,
    MultivariateInterval,
)
from ellimix.bayes.multivariate_normal import MultivariateNormal
from ellimix.bayes.multivariate_t import MultivariateT
from ellimix.bayes.normal import Normal
from ellimix.bayes.normal_mean import NormalMean

__all__ = [
    "Estimate",
    "Interval",
    "MultivariateEstimate",
    "MultivariateInterval",
    "MultivariateNormal",
    "MultivariateT",
    "Normal",
    "NormalMean",
]
