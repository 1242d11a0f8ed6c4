"""Where the methods come from: a table of references and what each part of a run cites.

>>> [reference.key for reference in references("evolution", "nasbench201")]
['real2019', 'dong2020']
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from archwright.report.citations_of_proxies import CITED, PUBLICATIONS


@dataclass(frozen=True, slots=True)
class Reference:
    """One publication.

    Attributes:
        key: first author and year, such as "real2019".
        authors: as they are to be printed.
        title: the title of the published version.
        venue: where it appeared, with the year.
        arxiv: the arXiv identifier, or "".
        link: an address for what is not on arXiv, or "".
    """

    key: str
    authors: str
    title: str
    venue: str
    arxiv: str = ""
    link: str = ""

    @property
    def url(self) -> str:
        """Where it can be read; "" when nothing is known."""
        return f"https://arxiv.org/abs/{self.arxiv}" if self.arxiv else self.link

    @property
    def text(self) -> str:
        """One line, as a list of references prints it.

        >>> print(REFERENCES["real2019"].text)
        E. Real, A. Aggarwal, Y. Huang, Q. V. Le. Regularized Evolution for Image Classifier Architecture Search. AAAI 2019. arXiv:1802.01548
        """  # noqa: E501
        arxiv = f" arXiv:{self.arxiv}" if self.arxiv else ""
        return f"{self.authors}. {self.title}. {self.venue}.{arxiv}"

    def to_dict(self) -> dict[str, str]:
        """``key``, ``text`` and ``url`` as plain JSON values."""
        return {"key": self.key, "text": self.text, "url": self.url}


REFERENCES: dict[str, Reference] = {
    reference.key: reference
    for reference in (
        Reference(
            "jamieson2016",
            "K. Jamieson, A. Talwalkar",
            "Non-stochastic Best Arm Identification and Hyperparameter Optimization",
            "AISTATS 2016",
            arxiv="1502.07943",
        ),
        Reference(
            "abdelfattah2021",
            "M. S. Abdelfattah, A. Mehrotra, L. Dudziak, N. D. Lane",
            "Zero-Cost Proxies for Lightweight NAS",
            "ICLR 2021",
            arxiv="2101.08134",
        ),
        Reference(
            "white2021predictors",
            "C. White, A. Zela, B. Ru, Y. Liu, F. Hutter",
            "How Powerful are Performance Predictors in Neural Architecture Search?",
            "NeurIPS 2021",
            arxiv="2104.01177",
        ),
        Reference(
            "li2018",
            "L. Li, K. Jamieson, G. DeSalvo, A. Rostamizadeh, A. Talwalkar",
            "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization",
            "Journal of Machine Learning Research 18(185), 2018",
            arxiv="1603.06560",
        ),
        Reference(
            "li2020",
            "L. Li, K. Jamieson, A. Rostamizadeh, E. Gonina, J. Ben-tzur, M. Hardt, B. Recht, "
            "A. Talwalkar",
            "A System for Massively Parallel Hyperparameter Tuning",
            "MLSys 2020",
            arxiv="1810.05934",
        ),
        Reference(
            "falkner2018",
            "S. Falkner, A. Klein, F. Hutter",
            "BOHB: Robust and Efficient Hyperparameter Optimization at Scale",
            "ICML 2018",
            arxiv="1807.01774",
        ),
        Reference(
            "golovin2017",
            "D. Golovin, B. Solnik, S. Moitra, G. Kochanski, J. Karro, D. Sculley",
            "Google Vizier: A Service for Black-Box Optimization",
            "KDD 2017",
            link="https://doi.org/10.1145/3097983.3098043",
        ),
        Reference(
            "bergstra2012",
            "J. Bergstra, Y. Bengio",
            "Random Search for Hyper-Parameter Optimization",
            "Journal of Machine Learning Research 13, 2012",
            link="https://jmlr.org/papers/v13/bergstra12a.html",
        ),
        Reference(
            "li2019",
            "L. Li, A. Talwalkar",
            "Random Search and Reproducibility for Neural Architecture Search",
            "UAI 2019",
            "1902.07638",
        ),
        Reference(
            "real2019",
            "E. Real, A. Aggarwal, Y. Huang, Q. V. Le",
            "Regularized Evolution for Image Classifier Architecture Search",
            "AAAI 2019",
            "1802.01548",
        ),
        Reference(
            "white2021",
            "C. White, S. Nolen, Y. Savani",
            "Exploring the Loss Landscape in Neural Architecture Search",
            "UAI 2021",
            "2005.02960",
        ),
        Reference(
            "denottelander2021",
            "T. Den Ottelander, A. Dushatskiy, M. Virgolin, P. A. N. Bosman",
            "Local Search is a Remarkably Strong Baseline for Neural Architecture Search",
            "EMO 2021",
            "2004.08996",
        ),
        Reference(
            "elsken2019",
            "T. Elsken, J. H. Metzen, F. Hutter",
            "Neural Architecture Search: A Survey",
            "Journal of Machine Learning Research 20(55), 2019",
            "1808.05377",
        ),
        Reference(
            "lindauer2020",
            "M. Lindauer, F. Hutter",
            "Best Practices for Scientific Research on Neural Architecture Search",
            "Journal of Machine Learning Research 21(243), 2020",
            "1909.02453",
        ),
        Reference(
            "zoph2017",
            "B. Zoph, Q. V. Le",
            "Neural Architecture Search with Reinforcement Learning",
            "ICLR 2017",
            "1611.01578",
        ),
        Reference(
            "baker2017",
            "B. Baker, O. Gupta, N. Naik, R. Raskar",
            "Designing Neural Network Architectures using Reinforcement Learning",
            "ICLR 2017",
            "1611.02167",
        ),
        Reference(
            "zoph2018",
            "B. Zoph, V. Vasudevan, J. Shlens, Q. V. Le",
            "Learning Transferable Architectures for Scalable Image Recognition",
            "CVPR 2018",
            "1707.07012",
        ),
        Reference(
            "liu2019",
            "H. Liu, K. Simonyan, Y. Yang",
            "DARTS: Differentiable Architecture Search",
            "ICLR 2019",
            "1806.09055",
        ),
        Reference(
            "ying2019",
            "C. Ying, A. Klein, E. Christiansen, E. Real, K. Murphy, F. Hutter",
            "NAS-Bench-101: Towards Reproducible Neural Architecture Search",
            "ICML 2019",
            "1902.09635",
        ),
        Reference(
            "dong2020",
            "X. Dong, Y. Yang",
            "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search",
            "ICLR 2020",
            "2001.00326",
        ),
        Reference(
            "sandler2018",
            "M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen",
            "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
            "CVPR 2018",
            "1801.04381",
        ),
        Reference(
            "howard2019",
            "A. Howard, M. Sandler, G. Chu, L.-C. Chen, B. Chen, M. Tan, W. Wang, Y. Zhu, R. Pang, "
            "V. Vasudevan, Q. V. Le, H. Adam",
            "Searching for MobileNetV3",
            "ICCV 2019",
            "1905.02244",
        ),
        Reference(
            "tan2019",
            "M. Tan, B. Chen, R. Pang, V. Vasudevan, M. Sandler, A. Howard, Q. V. Le",
            "MnasNet: Platform-Aware Neural Architecture Search for Mobile",
            "CVPR 2019",
            "1807.11626",
        ),
        Reference(
            "cai2019",
            "H. Cai, L. Zhu, S. Han",
            "ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware",
            "ICLR 2019",
            "1812.00332",
        ),
        Reference(
            "wu2019",
            "B. Wu, X. Dai, P. Zhang, Y. Wang, F. Sun, Y. Wu, Y. Tian, P. Vajda, Y. Jia, "
            "K. Keutzer",
            "FBNet: Hardware-Aware Efficient ConvNet Design via Differentiable Neural "
            "Architecture Search",
            "CVPR 2019",
            "1812.03443",
        ),
        Reference(
            "he2019",
            "T. He, Z. Zhang, H. Zhang, Z. Zhang, J. Xie, M. Li",
            "Bag of Tricks for Image Classification with Convolutional Neural Networks",
            "CVPR 2019",
            "1812.01187",
        ),
        Reference(
            "guo2020",
            "Z. Guo, X. Zhang, H. Mu, W. Heng, Z. Liu, Y. Wei, J. Sun",
            "Single Path One-Shot Neural Architecture Search with Uniform Sampling",
            "ECCV 2020",
            "1904.00420",
        ),
        Reference(
            "ma2018",
            "N. Ma, X. Zhang, H.-T. Zheng, J. Sun",
            "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design",
            "ECCV 2018",
            "1807.11164",
        ),
        Reference(
            "zela2020",
            "A. Zela, J. Siems, F. Hutter",
            "NAS-Bench-1Shot1: Benchmarking and Dissecting One-shot Neural Architecture Search",
            "ICLR 2020",
            "2001.10422",
        ),
        Reference(
            "cai2020",
            "H. Cai, C. Gan, T. Wang, Z. Zhang, S. Han",
            "Once-for-All: Train One Network and Specialize it for Efficient Deployment",
            "ICLR 2020",
            "1908.09791",
        ),
        Reference(
            "he2016",
            "K. He, X. Zhang, S. Ren, J. Sun",
            "Deep Residual Learning for Image Recognition",
            "CVPR 2016",
            "1512.03385",
        ),
        Reference(
            "hu2018",
            "J. Hu, L. Shen, G. Sun",
            "Squeeze-and-Excitation Networks",
            "CVPR 2018",
            "1709.01507",
        ),
        Reference(
            "huang2017",
            "G. Huang, Z. Liu, L. van der Maaten, K. Q. Weinberger",
            "Densely Connected Convolutional Networks",
            "CVPR 2017",
            "1608.06993",
        ),
        Reference(
            "chollet2017",
            "F. Chollet",
            "Xception: Deep Learning with Depthwise Separable Convolutions",
            "CVPR 2017",
            "1610.02357",
        ),
        Reference(
            "gorishniy2021",
            "Y. Gorishniy, I. Rubachev, V. Khrulkov, A. Babenko",
            "Revisiting Deep Learning Models for Tabular Data",
            "NeurIPS 2021",
            "2106.11959",
        ),
        Reference(
            "gorishniy2022",
            "Y. Gorishniy, I. Rubachev, A. Babenko",
            "On Embeddings for Numerical Features in Tabular Deep Learning",
            "NeurIPS 2022",
            "2203.05556",
        ),
        Reference(
            "holzmuller2024",
            "D. Holzmüller, L. Grinsztajn, I. Steinwart",
            "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data",
            "NeurIPS 2024",
            "2407.04491",
        ),
        Reference(
            "szegedy2015",
            "C. Szegedy, W. Liu, Y. Jia, P. Sermanet, S. Reed, D. Anguelov, D. Erhan, "
            "V. Vanhoucke, A. Rabinovich",
            "Going Deeper with Convolutions",
            "CVPR 2015",
            "1409.4842",
        ),
        Reference(
            "page2018",
            "D. Page",
            "How to Train Your ResNet",
            "2018",
            link="https://myrtle.ai/learn/how-to-train-your-resnet/",
        ),
        Reference(
            "radosavovic2020",
            "I. Radosavovic, R. P. Kosaraju, R. Girshick, K. He, P. Dollár",
            "Designing Network Design Spaces",
            "CVPR 2020",
            "2003.13678",
        ),
        Reference(
            "dong2021",
            "X. Dong, L. Liu, K. Musial, B. Gabrys",
            "NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size",
            "IEEE Transactions on Pattern Analysis and Machine Intelligence, 2021",
            "2009.00437",
        ),
        Reference(
            "loshchilov2019",
            "I. Loshchilov, F. Hutter",
            "Decoupled Weight Decay Regularization",
            "ICLR 2019",
            "1711.05101",
        ),
        Reference(
            "loshchilov2017",
            "I. Loshchilov, F. Hutter",
            "SGDR: Stochastic Gradient Descent with Warm Restarts",
            "ICLR 2017",
            "1608.03983",
        ),
        Reference(
            "smith2019",
            "L. N. Smith, N. Topin",
            "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates",
            "Proc. SPIE 11006, 2019",
            "1708.07120",
        ),
        Reference(
            "goyal2017",
            "P. Goyal, P. Dollár, R. Girshick, P. Noordhuis, L. Wesolowski, A. Kyrola, A. Tulloch, "
            "Y. Jia, K. He",
            "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour",
            "2017",
            "1706.02677",
        ),
        Reference(
            "sutskever2013",
            "I. Sutskever, J. Martens, G. Dahl, G. Hinton",
            "On the importance of initialization and momentum in deep learning",
            "ICML 2013",
            link="https://proceedings.mlr.press/v28/sutskever13.html",
        ),
        Reference(
            "zhang2018",
            "H. Zhang, M. Cisse, Y. N. Dauphin, D. Lopez-Paz",
            "mixup: Beyond Empirical Risk Minimization",
            "ICLR 2018",
            "1710.09412",
        ),
        Reference(
            "szegedy2016",
            "C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna",
            "Rethinking the Inception Architecture for Computer Vision",
            "CVPR 2016",
            "1512.00567",
        ),
        Reference(
            "polyak1992",
            "B. T. Polyak, A. B. Juditsky",
            "Acceleration of Stochastic Approximation by Averaging",
            "SIAM Journal on Control and Optimization 30(4), 1992",
            link="https://doi.org/10.1137/0330046",
        ),
        Reference(
            "pascanu2013",
            "R. Pascanu, T. Mikolov, Y. Bengio",
            "On the difficulty of training recurrent neural networks",
            "ICML 2013",
            "1211.5063",
        ),
        Reference(
            "micikevicius2018",
            "P. Micikevicius, S. Narang, J. Alben, G. Diamos, E. Elsen, D. Garcia, B. Ginsburg, "
            "M. Houston, O. Kuchaiev, G. Venkatesh, H. Wu",
            "Mixed Precision Training",
            "ICLR 2018",
            "1710.03740",
        ),
        Reference(
            "hinton2015",
            "G. Hinton, O. Vinyals, J. Dean",
            "Distilling the Knowledge in a Neural Network",
            "NIPS 2014 Deep Learning Workshop",
            "1503.02531",
        ),
        Reference(
            "hutter2014",
            "F. Hutter, H. Hoos, K. Leyton-Brown",
            "An Efficient Approach for Assessing Hyperparameter Importance",
            "ICML 2014",
            link="https://proceedings.mlr.press/v32/hutter14.html",
        ),
        Reference(
            "watanabe2023",
            "S. Watanabe, A. Bansal, F. Hutter",
            "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces",
            "IJCAI 2023",
            "2304.10255",
        ),
        Reference(
            "baba2026",
            "K. Baba, Y. Ozaki, S. Watanabe",
            "Conditional PED-ANOVA: Hyperparameter Importance in Hierarchical & Dynamic Search "
            "Spaces",
            "KDD 2026",
            "2601.20800",
        ),
        Reference(
            "hansen2001",
            "N. Hansen, A. Ostermeier",
            "Completely Derandomized Self-Adaptation in Evolution Strategies",
            "Evolutionary Computation 9(2), 2001",
            link="https://doi.org/10.1162/106365601750190398",
        ),
        Reference(
            "akiba2019",
            "T. Akiba, S. Sano, T. Yanase, T. Ohta, M. Koyama",
            "Optuna: A Next-generation Hyperparameter Optimization Framework",
            "KDD 2019",
            "1907.10902",
        ),
        Reference(
            "paszke2019",
            "A. Paszke, S. Gross, F. Massa, A. Lerer, J. Bradbury, et al.",
            "PyTorch: An Imperative Style, High-Performance Deep Learning Library",
            "NeurIPS 2019",
            "1912.01703",
        ),
        Reference(
            "pedregosa2011",
            "F. Pedregosa, G. Varoquaux, A. Gramfort, V. Michel, B. Thirion, et al.",
            "Scikit-learn: Machine Learning in Python",
            "Journal of Machine Learning Research 12, 2011",
            "1201.0490",
        ),
        Reference(
            "williams1992",
            "R. J. Williams",
            "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement "
            "Learning",
            "Machine Learning 8, 1992",
            link="https://doi.org/10.1007/BF00992696",
        ),
        Reference(
            "schulman2017",
            "J. Schulman, F. Wolski, P. Dhariwal, A. Radford, O. Klimov",
            "Proximal Policy Optimization Algorithms",
            "2017",
            "1707.06347",
        ),
        Reference(
            "wilson1927",
            "E. B. Wilson",
            "Probable Inference, the Law of Succession, and Statistical Inference",
            "Journal of the American Statistical Association 22(158), 1927",
            link="https://doi.org/10.1080/01621459.1927.10502953",
        ),
        Reference(
            "efron1979",
            "B. Efron",
            "Bootstrap Methods: Another Look at the Jackknife",
            "The Annals of Statistics 7(1), 1979",
            link="https://doi.org/10.1214/aos/1176344552",
        ),
        Reference(
            "sun2020",
            "Y. Sun, B. Xue, M. Zhang, G. G. Yen, J. Lv",
            "Automatically Designing CNN Architectures Using the Genetic Algorithm for Image "
            "Classification",
            "IEEE Transactions on Cybernetics, 2020",
            "1808.03818",
        ),
        Reference(
            "xie2017",
            "L. Xie, A. Yuille",
            "Genetic CNN",
            "ICCV 2017",
            "1703.01513",
        ),
        Reference(
            "deb2002",
            "K. Deb, A. Pratap, S. Agarwal, T. Meyarivan",
            "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II",
            "IEEE Transactions on Evolutionary Computation 6(2), 2002",
            link="https://doi.org/10.1109/4235.996017",
        ),
        Reference(
            "lu2019",
            "Z. Lu, I. Whalen, V. Boddeti, Y. Dhebar, K. Deb, E. Goodman, W. Banzhaf",
            "NSGA-Net: Neural Architecture Search using Multi-Objective Genetic Algorithm",
            "GECCO 2019",
            "1810.03522",
        ),
        Reference(
            "deb2014",
            "K. Deb, H. Jain",
            "An Evolutionary Many-Objective Optimization Algorithm Using Reference-Point-Based "
            "Nondominated Sorting Approach, Part I: Solving Problems With Box Constraints",
            "IEEE Transactions on Evolutionary Computation 18(4), 2014",
            link="https://doi.org/10.1109/TEVC.2013.2281535",
        ),
        Reference(
            "lu2020",
            "Z. Lu, K. Deb, E. Goodman, W. Banzhaf, V. N. Boddeti",
            "NSGANetV2: Evolutionary Multi-Objective Surrogate-Assisted Neural Architecture Search",
            "ECCV 2020",
            "2007.10396",
        ),
        Reference(
            "paquete2004",
            "L. Paquete, M. Chiarandini, T. Stützle",
            "Pareto Local Optimum Sets in the Biobjective Traveling Salesman Problem: An "
            "Experimental Study",
            "Metaheuristics for Multiobjective Optimisation, 2004",
            link="https://doi.org/10.1007/978-3-642-17144-4_7",
        ),
        Reference(
            "awad2020",
            "N. Awad, N. Mallik, F. Hutter",
            "Differential Evolution for Neural Architecture Search",
            "ICLR 2020 Workshop on Neural Architecture Search",
            "2012.06400",
        ),
        Reference(
            "storn1997",
            "R. Storn, K. Price",
            "Differential Evolution: A Simple and Efficient Heuristic for Global Optimization over "
            "Continuous Spaces",
            "Journal of Global Optimization 11, 1997",
            link="https://doi.org/10.1023/A:1008202821328",
        ),
        Reference(
            "wang2018",
            "B. Wang, Y. Sun, B. Xue, M. Zhang",
            "Evolving Deep Convolutional Neural Networks by Variable-Length Particle Swarm "
            "Optimization for Image Classification",
            "IEEE CEC 2018",
            "1803.06492",
        ),
        Reference(
            "kennedy1995",
            "J. Kennedy, R. Eberhart",
            "Particle Swarm Optimization",
            "ICNN 1995",
            link="https://doi.org/10.1109/ICNN.1995.488968",
        ),
        Reference(
            "byla2019",
            "E. Byla, W. Pang",
            "DeepSwarm: Optimising Convolutional Neural Networks using Swarm Intelligence",
            "UKCI 2019",
            "1905.07350",
        ),
        Reference(
            "dorigo1997",
            "M. Dorigo, L. M. Gambardella",
            "Ant Colony System: A Cooperative Learning Approach to the Traveling Salesman Problem",
            "IEEE Transactions on Evolutionary Computation 1(1), 1997",
            link="https://doi.org/10.1109/4235.585892",
        ),
        Reference(
            "ru2021",
            "B. Ru, X. Wan, X. Dong, M. Osborne",
            "Interpretable Neural Architecture Search via Bayesian Optimisation with "
            "Weisfeiler-Lehman Kernels",
            "ICLR 2021",
            "2006.07556",
        ),
        Reference(
            "snoek2012",
            "J. Snoek, H. Larochelle, R. P. Adams",
            "Practical Bayesian Optimization of Machine Learning Algorithms",
            "NeurIPS 2012",
            "1206.2944",
        ),
        Reference(
            "srinivas2010",
            "N. Srinivas, A. Krause, S. Kakade, M. Seeger",
            "Gaussian Process Optimization in the Bandit Setting",
            "ICML 2010",
            "0912.3995",
        ),
        Reference(
            "berk2020",
            "J. Berk, S. Gupta, S. Rana, S. Venkatesh",
            "Randomised Gaussian Process Upper Confidence Bound for Bayesian Optimisation",
            "IJCAI 2020",
            "2006.04296",
        ),
        Reference(
            "duvenaud2011",
            "D. Duvenaud, H. Nickisch, C. E. Rasmussen",
            "Additive Gaussian Processes",
            "NeurIPS 2011",
            "1112.4394",
        ),
        Reference(
            "hutter2013",
            "F. Hutter, M. A. Osborne",
            "A Kernel for Hierarchical Parameter Spaces",
            "2013",
            "1310.5738",
        ),
        Reference(
            "white2019",
            "C. White, W. Neiswanger, Y. Savani",
            "BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture "
            "Search",
            "AAAI 2021",
            "1910.11858",
        ),
        Reference(
            "wei2022",
            "C. Wei, C. Niu, Y. Tang, Y. Wang, H. Hu, J. Liang",
            "NPENAS: Neural Predictor Guided Evolution for Neural Architecture Search",
            "IEEE Transactions on Neural Networks and Learning Systems, 2022",
            "2003.12857",
        ),
        Reference(
            "liu2018",
            "C. Liu, B. Zoph, M. Neumann, J. Shlens, W. Hua, L.-J. Li, L. Fei-Fei, A. Yuille, "
            "J. Huang, K. Murphy",
            "Progressive Neural Architecture Search",
            "ECCV 2018",
            "1712.00559",
        ),
        Reference(
            "klein2020",
            "A. Klein, L. C. Tiao, T. Lienart, C. Archambeau, M. Seeger",
            "Model-based Asynchronous Hyperparameter and Neural Architecture Search",
            "arXiv preprint, 2020",
            "2003.10865",
        ),
        Reference(
            "hutter2011",
            "F. Hutter, H. H. Hoos, K. Leyton-Brown",
            "Sequential Model-Based Optimization for General Algorithm Configuration",
            "LION 2011",
            link="https://doi.org/10.1007/978-3-642-25566-3_40",
        ),
        Reference(
            "lindauer2022",
            "M. Lindauer, K. Eggensperger, M. Feurer, A. Biedenkapp, D. Deng, C. Benjamins, "
            "T. Ruhkopf, R. Sass, F. Hutter",
            "SMAC3: A Versatile Bayesian Optimization Package for Hyperparameter Optimization",
            "Journal of Machine Learning Research 23(54), 2022",
            "2109.09831",
        ),
        Reference(
            "bergstra2011",
            "J. Bergstra, R. Bardenet, Y. Bengio, B. Kégl",
            "Algorithms for Hyper-Parameter Optimization",
            "NeurIPS 2011",
            link="https://papers.nips.cc/paper/4443-algorithms-for-hyper-parameter-optimization",
        ),
    )
} | {
    key: Reference(key, authors, title, venue, arxiv, link)
    for key, authors, title, venue, arxiv, link in PUBLICATIONS
}
"""Every reference, by key."""

METHODS: dict[str, tuple[str, ...]] = {
    # strategies
    "random": ("bergstra2012", "li2019"),
    "successive_halving": ("jamieson2016",),
    "hyperband": ("li2018",),
    "asha": ("li2020",),
    "bohb": ("falkner2018",),
    "cascade": ("abdelfattah2021", "white2021predictors", "jamieson2016"),
    "median": ("golovin2017",),
    "grid": ("bergstra2012",),
    "local": ("white2021", "denottelander2021"),
    "mobster": ("klein2020", "li2020"),
    "local_search": ("white2021", "denottelander2021"),
    "evolution": ("real2019",),
    "genetic": ("sun2020", "xie2017"),
    "nsga2": ("deb2002", "lu2019"),
    "nsga3": ("deb2014", "lu2020"),
    "pareto_local": ("paquete2004", "denottelander2021"),
    "differential_evolution": ("awad2020", "storn1997"),
    "particle_swarm": ("wang2018", "kennedy1995"),
    "additive_gp": ("srinivas2010", "berk2020", "duvenaud2011"),
    "auto": ("srinivas2010", "duvenaud2011", "real2019"),
    "ant_colony": ("byla2019", "dorigo1997"),
    "reinforce": ("zoph2017", "williams1992"),
    "ppo": ("zoph2018", "schulman2017"),
    "q_learning": ("baker2017",),
    "bananas": ("white2019",),
    "gp": ("snoek2012", "hutter2013"),
    "nas_bowl": ("ru2021",),
    "npenas": ("wei2022",),
    "optuna_nsga2": ("deb2002", "akiba2019"),
    "optuna_gp": ("akiba2019",),
    "cmaes": ("hansen2001", "akiba2019"),
    "pnas": ("liu2018",),
    "tpe": ("bergstra2011", "akiba2019"),
    "trees": ("hutter2011", "lindauer2022"),
    # spaces
    "mlp": ("gorishniy2021", "gorishniy2022", "holzmuller2024"),
    "chain_cnn": ("baker2017", "zoph2017", "chollet2017"),
    "branched_cnn": ("elsken2019", "szegedy2015", "zoph2017"),
    "mobilenet": ("sandler2018", "howard2019", "cai2020", "hu2018"),
    "nasnet": ("zoph2018",),
    "darts": ("liu2019",),
    "proxyless": ("cai2019",),
    "fbnet": ("wu2019",),
    "ofa_mobilenet_v3": ("cai2020", "howard2019", "hu2018"),
    "ofa_resnet": ("cai2020", "he2019"),
    "shufflenet_v2_spos": ("guo2020", "ma2018"),
    "nasbench1shot1": ("zela2020", "ying2019"),
    "nasbench101": ("ying2019",),
    "nasbench201": ("dong2020",),
    "resnet": ("he2016",),
    "resnet_cnn": ("he2016", "page2018", "radosavovic2020"),
    "natsbench": ("dong2021",),
    # training
    "adamw": ("loshchilov2019",),
    "sgd": ("sutskever2013",),
    "cosine": ("loshchilov2017",),
    "one_cycle": ("smith2019",),
    "warmup": ("goyal2017",),
    "mixup": ("zhang2018",),
    "label_smoothing": ("szegedy2016",),
    "ema": ("polyak1992",),
    "clip_norm": ("pascanu2013",),
    "mixed_precision": ("micikevicius2018",),
    "distillation": ("hinton2015",),
    # analysis and software
    "importance": ("watanabe2023", "baba2026"),
    "fanova": ("hutter2014",),
    "random_line": ("li2019",),
    "wilson": ("wilson1927",),
    "bootstrap": ("efron1979",),
    "optuna": ("akiba2019",),
    "pytorch": ("paszke2019",),
    "scikit-learn": ("pedregosa2011",),
    # zero-cost proxies
    **CITED,
}
"""What each strategy, space, part of a recipe or zero-cost proxy cites."""


def references(*names: str) -> list[Reference]:
    """The references of the methods that a run used, each once, in the order asked for.

    Args:
        names: names of strategies, spaces and parts of recipes. One without a publication is
            passed over, so that a user's own strategy needs no entry here.
    """
    keys = dict.fromkeys(key for name in names for key in METHODS.get(name, ()))
    return [REFERENCES[key] for key in keys]


def recipe_methods(recipe: Mapping[str, Any]) -> list[str]:
    """Which published methods a training recipe uses, as names of `METHODS`.

    Args:
        recipe: the fields of `archwright.training.Recipe` as a mapping.

    >>> recipe_methods({"optimizer": "adamw", "schedule": "one_cycle", "mixup": 0.0})
    ['adamw', 'one_cycle']
    """
    names = [str(recipe.get("optimizer", "")), str(recipe.get("schedule", ""))]
    switches: Iterable[tuple[str, str]] = (
        ("warmup", "warmup"),
        ("mixup", "mixup"),
        ("label_smoothing", "label_smoothing"),
        ("ema", "ema"),
        ("clip_norm", "clip_norm"),
    )
    names += [method for field, method in switches if recipe.get(field)]
    if recipe.get("precision") in ("bf16", "fp16"):
        names.append("mixed_precision")
    return [name for name in names if name in METHODS]


def proxy_methods(info: Mapping[str, Any], metrics: Iterable[str]) -> list[str]:
    """Which zero-cost proxies judged a run's architectures, as names of `METHODS`.

    Args:
        info: the facts of the run.
        metrics: the names of its metrics. Those of a user's own function, which may be called
            "plain" or "complexity" too, are not taken for proxies, nor is a training's.

    >>> ours = {"identity": {"training": None, "evaluator": None}}
    >>> proxy_methods(ours, ["params", "synflow"])
    ['synflow']
    >>> proxy_methods({"identity": {"training": None, "evaluator": "3.13:0a"}}, ["synflow"])
    []
    """
    identity = info.get("identity")
    if not isinstance(identity, Mapping):
        return []
    if identity.get("training") is not None or identity.get("evaluator") is not None:
        return []
    return [name for name in metrics if name in CITED]
