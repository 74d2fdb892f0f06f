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


def linearised(module, x, x_test):
    """(J, J at the test samples, f_0, f_0 there) of a module, outputs (n, O)."""
    jacobians = [explicit_jacobian(module, inputs) for inputs in (x, x_test)]
    return *jacobians, *(module(inputs).detach().flatten(1) for inputs in (x, x_test))


def trained_linearised(model, loss, learning_rate, steps):
    """Outputs (steps + 1, n, O) and (steps + 1, t, O) of gradient descent on the parameters of
    f_0 + J (theta - theta_0), the gradient by autograd."""
    jacobian, at_test, start, start_test = model
    moved = torch.zeros(jacobian.shape[-1], dtype=jacobian.dtype, requires_grad=True)
    outputs = []
    for _ in range(steps + 1):
        f = start + jacobian @ moved
        outputs.append((f.detach(), start_test + at_test @ moved.detach()))
        (gradient,) = torch.autograd.grad(loss(f), moved)
        moved.data -= learning_rate * gradient
    return tuple(torch.stack(part) for part in zip(*outputs, strict=True))


def flowed_linearised(model, targets, time):
    """Outputs (n, O) and (t, O) at a time of gradient flow on the parameters, mean over samples of
    |f - y|^2 / 2, by the exponential of the linear differential equation."""
    jacobian, at_test, start, start_test = model
    flat = jacobian.flatten(0, 1)
    n, p = len(jacobian), jacobian.shape[-1]
    system = torch.zeros(p + 1, p + 1, dtype=jacobian.dtype)
    system[:p, :p] = -flat.T @ flat / n
    system[:p, p] = flat.T @ (targets - start).flatten() / n
    moved = torch.linalg.matrix_exp(time * system)[:p, p]
    return start + jacobian @ moved, start_test + at_test @ moved
