"""What the shared pass gathers while it runs, so that no activation need be kept for later."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field

import torch

from archwright.proxies.listening import Heard

#: Samples over which the correlations of channels are averaged.
N_CORRELATED = 4
#: Samples whose signs fit into one whole number of 64 bits.
N_CODED = 64


@dataclass
class Gathered:
    """Sums over the operations of one forward pass.

    Attributes:
        kernel: `batch x batch`: in how many units two samples agree on which side of zero the
            input of the activation is.
        codes: for each unit the sides of the first samples, one bit each.
        fisher: for each layer and channel half the mean square of activation times gradient, and
            how many weights the channel has; known after the loss's backward pass.
        ranks: effective ranks before and after each activation.
        correlations: smallest eigenvalue of the channels' correlation, of each operation.
    """

    kernel: torch.Tensor | None = None
    codes: list[torch.Tensor] = field(default_factory=list)
    fisher: list[tuple[torch.Tensor, int]] = field(default_factory=list)
    ranks: list[torch.Tensor] = field(default_factory=list)
    correlations: list[torch.Tensor] = field(default_factory=list)


class Gatherer:
    """A listener of the shared pass.

    Args:
        hears: what to gather: "kernel", "codes", "fisher", "ranks", "correlations".
        batch: samples in the batch; what has another first dimension is passed over.
    """

    def __init__(self, hears: frozenset[str], batch: int) -> None:
        self.hears = hears
        self.batch = batch
        self.gathered = Gathered()
        #: Whether the backward pass now running is the loss's.
        self.backward = False
        self._products: dict[int, tuple[weakref.ref[torch.Tensor], int, torch.Tensor]] = {}
        self._open: dict[int, list[torch.Tensor]] = {}
        self._last = False

    def __call__(self, heard: Heard) -> None:
        """One operation."""
        if heard.kind == "layer":
            self._last = not heard.name.startswith("conv")
        if heard.output.dim() < 2 or len(heard.output) != self.batch:
            return
        if heard.kind == "activation":
            self._activation(heard)
        if heard.kind == "layer" and "fisher" in self.hears and heard.output.requires_grad:
            self._fisher(heard)
        if "correlations" in self.hears:
            self._correlations(heard.output)

    def _activation(self, heard: Heard) -> None:
        if "fisher" in self.hears and heard.output.data_ptr() in self._open:
            # It worked in place: what the layer had put out is gone, but for this copy.
            self._open.pop(heard.output.data_ptr())[0] = heard.input.detach()
        if "kernel" in self.hears:
            self._kernel(heard.input)
        with torch.no_grad():
            if "codes" in self.hears:
                self.gathered.codes.append(sample_codes(heard.input))
            if "ranks" in self.hears:
                for x in (heard.input, heard.output):
                    self.gathered.ranks.append(effective_rank(as_rows(x, self._last)))

    @torch.no_grad()
    def _correlations(self, x: torch.Tensor) -> None:
        found = [
            least_correlation(as_rows(x[i : i + 1], self._last).T)
            for i in range(min(N_CORRELATED, self.batch))
        ]
        known = [value for value in found if value is not None]
        if known:
            self.gathered.correlations.append(torch.stack(known).mean())

    def _kernel(self, x: torch.Tensor) -> None:
        known = self._products.get(id(x))
        if known is not None and known[0]() is x and known[1] == x._version:
            product = known[2]  # one node's activation may be asked for on several edges
        else:
            with torch.no_grad():
                product = agreement(x)
            self._products[id(x)] = (weakref.ref(x), x._version, product)
        kernel = self.gathered.kernel
        self.gathered.kernel = product if kernel is None else kernel + product

    def _fisher(self, heard: Heard) -> None:
        weight = heard.arguments.get("weight")
        per_channel = 1 if weight is None else weight[0].numel()
        last = self._last
        kept = [heard.output.detach()]
        self._open[heard.output.data_ptr()] = kept

        def hook(gradient: torch.Tensor) -> None:
            if self.backward:
                total = channel_sums(kept[0], gradient.detach(), last=last)
                self.gathered.fisher.append((total.square().mean(0) / 2, per_channel))

        heard.output.register_hook(hook)


def as_rows(x: torch.Tensor, last: bool) -> torch.Tensor:
    """A matrix with one row for each sample and position, one column for each channel.

    Args:
        x: `batch x channels x ...`, or `batch x ... x channels`.
        last: whether the channels are the last dimension of a tensor of three.

    >>> as_rows(torch.zeros(2, 3, 4, 4), False).shape, as_rows(torch.zeros(2, 5, 3), True).shape
    (torch.Size([32, 3]), torch.Size([10, 3]))
    """
    if x.dim() > 3 or not last:
        x = x.movedim(1, -1)
    return x.reshape(-1, x.shape[-1])


def agreement(x: torch.Tensor) -> torch.Tensor:
    """In how many values two samples are on the same side of zero, `batch x batch`.

    >>> agreement(torch.tensor([[1.0, -1.0, 2.0], [1.0, 1.0, -2.0]])).tolist()
    [[3.0, 1.0], [1.0, 3.0]]
    """
    on = _on(x)
    both = (on @ on.T).double()
    n_on = both.diagonal()
    # both on + both off, where both off = all - on in one - on in the other + both on
    return 2 * both - n_on[:, None] - n_on[None, :] + on.shape[1]


def sample_codes(x: torch.Tensor) -> torch.Tensor:
    """For each unit the sides of zero of the first 64 samples, as the bits of a whole number.

    >>> sample_codes(torch.tensor([[1.0, -1.0], [1.0, 3.0]])).tolist()
    [3, 2]
    """
    on = _on(x[:N_CODED])
    if on.is_cuda:  # where products may be computed with fewer digits
        on = on.double()
    codes = torch.zeros(on.shape[1], dtype=torch.int64, device=x.device)
    for start in range(0, len(on), 24):  # float32 holds 24 bits exactly
        part = on[start : start + 24]
        powers = 2.0 ** torch.arange(len(part), device=x.device, dtype=part.dtype)
        codes |= (powers @ part).to(torch.int64) << start
    return codes


def _on(x: torch.Tensor) -> torch.Tensor:
    """1.0 where a value is above zero, else 0.0; `batch x values`, in single precision."""
    x = x.detach().flatten(1)
    # In one step: by way of booleans it takes ten times as long on a CPU.
    return torch.gt(x, 0, out=torch.empty(x.shape, dtype=torch.float32, device=x.device))


def effective_rank(matrix: torch.Tensor) -> torch.Tensor:
    """Exponential of the entropy of the normalised singular values (Roy and Vetterli, 2007).

    >>> round(effective_rank(torch.eye(3)).item(), 4)
    3.0
    """
    if len(matrix) < matrix.shape[1]:
        matrix = matrix.T
    gram = (matrix.T @ matrix).double()
    # Rounding of the product in single precision leaves eigenvalues of about this size.
    eigenvalues = torch.linalg.eigvalsh(gram)
    floor = eigenvalues[-1] * len(eigenvalues) * torch.finfo(matrix.dtype).eps
    singular = torch.where(eigenvalues > floor, eigenvalues, 0.0).sqrt()
    return entropy(singular).exp()


def entropy(values: torch.Tensor) -> torch.Tensor:
    """Entropy of non-negative numbers that are normalised to sum to one; 0 where all are 0.

    >>> round(entropy(torch.ones(4)).exp().item(), 4)
    4.0
    """
    total = values.sum()
    if total <= 0:
        return torch.zeros_like(total)
    share = values / total
    return -(share * share.clamp_min(torch.finfo(share.dtype).tiny).log()).sum()


def least_correlation(rows: torch.Tensor) -> torch.Tensor | None:
    """Smallest eigenvalue of the correlations between rows; None where there are not two of two.

    >>> round(least_correlation(torch.tensor([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]])).item(), 4)
    0.5
    """
    if min(rows.shape) < 2:
        return None
    matrix = torch.nan_to_num(torch.corrcoef(rows.double()), 0.0, 0.0, 0.0)
    return torch.linalg.eigvalsh(matrix)[0].clamp_min(0)


def channel_sums(a: torch.Tensor, b: torch.Tensor, *, last: bool) -> torch.Tensor:
    """Sum of products over the positions, `batch x channels`.

    >>> channel_sums(torch.ones(2, 3, 4, 4), torch.ones(2, 3, 4, 4), last=False)[0].tolist()
    [16.0, 16.0, 16.0]
    """
    if a.dim() == 2:
        return a * b
    if last and a.dim() == 3:
        return (a * b).sum(1)
    return torch.linalg.vecdot(a.flatten(2), b.flatten(2))
