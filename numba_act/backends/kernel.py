"""What is compiled: a kernel."""


class Kernel:
    """A function to compile.

    name : of the function, for symbols and the ufunc
    owner : whose function it is, for messages
    inputs : the operands' names
    parameters : those of the inputs, the last ones, that are usually one number, with that number
    build : from a working dtype to the output nodes, whose arguments are named as the inputs
    n_outputs : how many nodes `build` gives
    loaded : gives the functions of a kernel that is made of no nodes, from itself, the storage and the summed outputs
    quick : dtype -> ufunc, size from which on it wants threads, defaults as arrays; filled when a loop is compiled;
        and the array type of another backend -> its own way of a quick call
    """

    def __init__(self, name, owner, inputs, parameters, build, n_outputs=1, loaded=None):
        self.name, self.owner, self.inputs, self.parameters = name, owner, inputs, parameters
        self.build, self.n_outputs, self.loaded, self.quick = build, n_outputs, loaded, {}

    def trees(self, storage):
        """The output nodes for numbers of that Storage, in its working dtype."""
        return self.build(storage.working)
