"""Tangent kernels the slow way: one autograd call per sample and output."""

import torch


def explicit_jacobian(module, x):
    """(n, O, parameters) with outputs flattened, by loops."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    rows = []
    for sample in x:
        outputs = module(sample[None]).flatten()
        for output in outputs:
            grads = torch.autograd.grad(
                output, parameters, retain_graph=True, materialize_grads=True
            )
            rows.append(torch.cat([g.flatten() for g in grads]))
    return torch.stack(rows).view(len(x), -1, rows[0].numel())


def explicit_gram(module, x1, x2, outputs):
    """The kernel as ``gram`` defines it, from explicit Jacobians."""
    full = torch.einsum(
        "iap,jbp->ijab", explicit_jacobian(module, x1), explicit_jacobian(module, x2)
    )
    per_class = full.diagonal(dim1=2, dim2=3).permute(2, 0, 1)
    return {"full": full, "per_class": per_class, "trace": per_class.sum(0)}[outputs]
